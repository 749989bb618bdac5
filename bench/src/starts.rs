//! Cold starts and warm callbacks. The subjects take turns, start by start and batch by batch, so that
//! whatever else the machine does meets all of them.
//!
//! A subject that does anything but what its case is to become ends the run: there is no figure of a function
//! that fails.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::aws::Aws;
use crate::cases::Callback;
use crate::environments::{Environments, Spent};
use crate::package::weigh;
use crate::process::{Hold, Place, Running};
use crate::results::{Results, Spread};
use crate::subject::{Bench, Kind, Subject};

/// Warm callbacks of one turn.
const TURN: u64 = 100;
/// Cold starts of each subject while it is held, and warm callbacks after each of them.
const HELD_ROUNDS: u64 = 10;
const HELD_WARM: u64 = 5;
/// After this long a function has its share of the core again.
const BETWEEN_HELD: Duration = Duration::from_millis(20);
/// A subject that has taken this long has enough rounds with a few.
const HELD_PATIENCE: Duration = Duration::from_secs(20);
const FEWEST_HELD_ROUNDS: usize = 3;

/// What was measured of a subject; times in ms.
#[derive(Clone, Debug, Serialize)]
pub struct Starts {
    pub name: String,
    pub kind: Kind,
    /// Requests to AWS a callback.
    pub requests: f64,
    /// Handshakes with AWS until the first answer.
    pub handshakes: f64,
    /// From the start of the process until it first asks for an event.
    pub init: Spread,
    /// The first callback, from event to answer.
    pub first: Spread,
    /// From the start of the process to the first answer.
    pub cold: Spread,
    pub init_cpu_ms: f64,
    pub first_cpu_ms: f64,
    pub warm: Spread,
    /// The mean of each turn of callbacks, and of these the median.
    pub warm_cpu_ms: f64,
    /// After all warm callbacks.
    pub resident_bytes: u64,
    /// What is uploaded, unpacked and packed.
    pub program_bytes: u64,
    pub zip_bytes: u64,
    /// With a share of a core, or why there are no such figures.
    pub held: Option<Result<Held, String>>,
}

/// What was measured of a subject that was held to a share of a core.
#[derive(Clone, Debug, Serialize)]
pub struct Held {
    pub rounds: usize,
    pub first: Spread,
    pub warm: Spread,
}

impl Starts {
    /// A cold start as a small function has it: INIT with a whole core, the first callback with a share.
    pub fn held_cold(&self) -> Option<f64> {
        Some(self.init.p50 + self.held.as_ref()?.as_ref().ok()?.first.p50)
    }
}

/// A cold start.
struct Start {
    init: Duration,
    init_cpu: f64,
    first: Spent,
    handshakes: u64,
}

/// A subject, its AWS and its callback.
struct Turns<'a> {
    bench: &'a Bench,
    aws: &'a Aws,
    subject: &'a Subject,
    callback: Callback,
    starts: Vec<Start>,
    warm: Vec<Spent>,
    /// Of each held start the time of its first callback and of the warm ones, or why it failed.
    held: Result<Vec<Vec<Duration>>, String>,
    held_for: Duration,
}

impl<'a> Turns<'a> {
    /// Plays callbacks. They must become what they are to become, no more and no less: a retry would spoil
    /// the figure.
    fn play(&self, environments: &mut Environments<'_>, numbers: impl Iterator<Item = u64>) -> Result<Spent> {
        self.aws.table().clear();
        let events: Vec<_> = numbers.map(|number| self.callback.of_call(number)).collect::<Result<_>>()?;
        let spent = environments.measure(&events, 200)?;
        self.look_at(&spent)?;
        Ok(spent)
    }

    fn look_at(&self, spent: &Spent) -> Result<()> {
        let (usage, callbacks) = (spent.usage, spent.times.len() as f64);
        let (requests, published) = self.subject.requests();
        let (is, must_be) =
            ((usage.requests, usage.published), (requests * callbacks, published * callbacks));
        let (name, trouble) = (&self.subject.name, self.aws.trouble());
        ensure!(
            is == must_be && usage.refused == 0.0 && trouble.is_none(),
            "{name}: {callbacks} callbacks became {is:?} requests and messages, not {must_be:?}; {trouble:?}"
        );
        Ok(())
    }

    fn environments(&self, place: Place<'_>) -> Result<Environments<'a>> {
        Environments::start(self.bench, self.aws, self.subject, 1, place)
    }

    fn start(&self, number: u64) -> Result<(Start, Environments<'a>)> {
        let handshakes = self.aws.handshakes();
        let mut environments = self.environments(Place::OnTheFunctionsCore)?;
        let init_cpu = environments.usage()?.cpu_us / 1e3;
        let init = environments.running.iter().map(Running::init).sum::<Result<_>>()?;
        let first = self.play(&mut environments, std::iter::once(number))?;
        Ok((Start { init, init_cpu, first, handshakes: self.aws.handshakes() - handshakes }, environments))
    }

    /// A start with the share of a core from the end of INIT on, and some warm callbacks.
    fn held(&self, hold: &Hold, round: u64) -> Result<Vec<Duration>> {
        hold.let_go()?;
        self.aws.table().clear();
        let mut environments = self.environments(Place::In(hold))?;
        hold.hold()?;
        let before = environments.usage()?;
        let mut times = vec![environments.play(&self.callback.of_call(round * 100)?, 200)?];
        for number in 1..=HELD_WARM {
            thread::sleep(BETWEEN_HELD);
            times.push(environments.play(&self.callback.of_call(round * 100 + number)?, 200)?);
        }
        self.look_at(&Spent { times: times.clone(), usage: environments.usage()? - before })?;
        Ok(times)
    }

    /// A round of the above, unless the subject has failed or has had its time.
    fn hold(&mut self, hold: &Hold, round: u64) {
        let Ok(rounds) = &self.held else { return };
        if rounds.len() >= FEWEST_HELD_ROUNDS && self.held_for > HELD_PATIENCE {
            return;
        }
        let began = Instant::now();
        let times = self.held(hold, round);
        self.held_for += began.elapsed();
        match (times, &mut self.held) {
            (Ok(times), Ok(rounds)) => rounds.push(times),
            (Err(error), held) => *held = Err(format!("{error:#}")),
            (Ok(_), Err(_)) => {}
        }
    }

    fn held_figures(self) -> Result<Held, String> {
        let rounds = self.held?;
        Ok(Held {
            rounds: rounds.len(),
            first: Spread::of(rounds.iter().filter_map(|times| times.first().copied())),
            warm: Spread::of(rounds.iter().flat_map(|times| times.iter().skip(1).copied())),
        })
    }

    fn figures(&self, environments: &Environments<'_>) -> Result<Starts> {
        let name = &self.subject.name;
        let zip = self.bench.scratch().join(format!("packed/{name}.zip"));
        let (program_bytes, zip_bytes) = weigh(&self.subject.deployed, &zip)?;
        let resident_bytes = environments.running.iter().map(Running::resident_bytes);
        let spread = |of: fn(&Start) -> Duration| Spread::of(self.starts.iter().map(of));
        let first = |start: &Start| start.first.times.iter().sum::<Duration>();
        let median = |of: &dyn Fn(&Start) -> f64| {
            Spread::of(self.starts.iter().map(|start| Duration::from_secs_f64(of(start) / 1e3))).p50
        };
        let turns = self.warm.iter().map(|turn| Duration::from_secs_f64(turn.figures().usage.cpu_us / 1e6));
        Ok(Starts {
            name: name.clone(),
            kind: self.subject.kind,
            requests: self.subject.requests().0,
            handshakes: self.starts.iter().map(|start| start.handshakes as f64).sum::<f64>()
                / self.starts.len() as f64,
            init: spread(|start| start.init),
            first: Spread::of(self.starts.iter().map(first)),
            cold: Spread::of(self.starts.iter().map(|start| start.init + first(start))),
            init_cpu_ms: median(&|start| start.init_cpu),
            first_cpu_ms: median(&|start| start.first.usage.cpu_us / 1e3),
            warm: Spread::of(self.warm.iter().flat_map(|turn| turn.times.iter().copied())),
            warm_cpu_ms: Spread::of(turns).p50,
            resident_bytes: resident_bytes.sum::<Result<_>>()?,
            program_bytes,
            zip_bytes,
            held: None,
        })
    }
}

/// Measures every subject with a whole core, then held to a share of one.
pub fn run(bench: &Bench, aws: &Aws, subjects: &[Subject], hold: bool, results: &mut Results) -> Result<()> {
    let mut all = Vec::new();
    for subject in subjects {
        let callback = subject.callback(&bench.cases())?;
        all.push(Turns {
            bench,
            aws,
            subject,
            callback,
            starts: Vec::new(),
            warm: Vec::new(),
            held: Ok(Vec::new()),
            held_for: Duration::ZERO,
        });
    }
    // The first round reads the programs from the disk into memory and does not count.
    for round in 0..=results.rounds as u64 {
        for turns in &mut all {
            let (start, _) = turns.start(round)?;
            if round > 0 {
                turns.starts.push(start);
            }
        }
    }
    let mut running: Vec<_> = all.iter().map(|turns| Ok(turns.start(0)?.1)).collect::<Result<_>>()?;
    for first in (1..=results.warm_callbacks).step_by(TURN as usize) {
        for (turns, environments) in all.iter_mut().zip(&mut running) {
            let last = (first + TURN).min(results.warm_callbacks + 1);
            turns.warm.push(turns.play(environments, first..last)?);
        }
    }
    results.starts = all.iter().zip(&running).map(|(turns, it)| turns.figures(it)).collect::<Result<_>>()?;
    drop(running);
    if hold {
        match Hold::make() {
            Err(error) => results.cannot_hold = Some(format!("{error:#}")),
            Ok(hold) => {
                for round in 0..HELD_ROUNDS {
                    all.iter_mut().for_each(|turns| turns.hold(&hold, round));
                }
                for (turns, starts) in all.into_iter().zip(&mut results.starts) {
                    starts.held = Some(turns.held_figures());
                }
            }
        }
    }
    Ok(())
}
