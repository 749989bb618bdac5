//! Takes the figures. The subjects take turns, start by start and batch of calls by batch of calls, so that whatever else the machine does meets all of them.
//!
//! A subject that answers anything but 200, or does anything but what its sample is to become, ends the run: there is no figure of a function that fails.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aws_stub::{AwsStub, ShapeOnly};
use crate::catalogue::{Entry, Kind};
use crate::cores::Cores;
use crate::error::BenchError;
use crate::hold::Hold;
use crate::package::Weight;
use crate::sample::Effect;
use crate::statistics::Spread;
use crate::subject::Running;

/// For INIT, and for one call. Even Python held to 7 % of a core takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Warm calls of one turn.
const TURN: u32 = 100;
/// Cold starts of each subject while it is held, and warm calls after each of them.
const HELD_ROUNDS: usize = 10;
const HELD_WARM_CALLS: u64 = 5;
/// Callbacks rarely come one on the other's heels; after this long a function has its share of the core again.
const BETWEEN_HELD_CALLS: Duration = Duration::from_millis(20);
/// What a held subject may take of the run, if it has had some rounds.
const HELD_PATIENCE: Duration = Duration::from_secs(20);
const FEWEST_HELD_ROUNDS: usize = 3;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Cold starts of each subject.
    pub rounds: usize,
    /// Warm calls of each subject.
    pub warm_calls: u32,
    /// Who runs where.
    pub cores: Cores,
}

/// The AWS that the subjects talk to.
#[derive(Debug)]
pub struct Aws {
    /// Its connections.
    pub stub: AwsStub,
    /// What it has taken.
    pub service: Arc<ShapeOnly>,
}

/// What was measured of a subject. Times are milliseconds unless they say otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The subject.
    pub name: String,
    /// What it is to the others.
    pub kind: Kind,
    /// Requests to AWS a callback.
    pub requests: u64,
    /// Handshakes with AWS until the first answer.
    pub handshakes: f64,
    /// From the start of the process until it first asks for an event.
    pub init: Spread,
    /// The first callback, from event to answer.
    pub first: Spread,
    /// From the start of the process to the first answer.
    pub cold: Spread,
    /// CPU time of INIT, median.
    pub init_cpu: f64,
    /// CPU time of the first callback, median.
    pub first_cpu: f64,
    /// A warm callback, from event to answer.
    pub warm: Spread,
    /// CPU time of a warm callback: the mean of each turn of calls, and of these the median.
    pub warm_cpu: f64,
    /// Resident memory after all warm callbacks.
    pub resident_bytes: u64,
    /// What is uploaded, unpacked.
    pub program_bytes: u64,
    /// What is uploaded.
    pub zip_bytes: u64,
}

/// What was measured of a subject that had a share of a core.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldFigures {
    /// The subject.
    pub name: String,
    /// How often it was started.
    pub rounds: usize,
    /// The first callback, from event to answer.
    pub first: Spread,
    /// A warm callback, from event to answer.
    pub warm: Spread,
    /// Why there are no more figures of it.
    pub trouble: Option<String>,
}

/// The run with the functions held to a share of a core.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// It was made.
    Measured(Vec<HeldFigures>),
    /// The machine does not allow it: why.
    Impossible(String),
    /// It was not asked for.
    Skipped,
}

impl Aws {
    /// Starts one that takes whatever has the right shape.
    ///
    /// # Errors
    /// [`BenchError`] as [`AwsStub::start`].
    pub fn start() -> Result<Self, BenchError> {
        let service = Arc::new(ShapeOnly::default());
        Ok(Self { stub: AwsStub::start(Arc::clone(&service) as Arc<_>)?, service })
    }

    fn taken(&self) -> Taken {
        Taken {
            requests: self.stub.requests(),
            items: self.service.items(),
            messages: self.service.messages(),
            handshakes: self.stub.handshakes(),
        }
    }
}

/// What the stub had taken at a moment.
#[derive(Clone, Copy, Debug)]
struct Taken {
    requests: u64,
    items: u64,
    messages: u64,
    handshakes: u64,
}

/// One start, up to the first answer.
struct Start {
    init: Duration,
    first: Duration,
    init_cpu: Duration,
    first_cpu: Duration,
    handshakes: u64,
}

#[derive(Default)]
struct Warm {
    times: Vec<Duration>,
    /// A call's in each turn.
    cpu: Vec<Duration>,
}

/// One subject and its AWS.
struct Bench<'a> {
    entry: &'a Entry,
    aws: &'a Aws,
}

impl Bench<'_> {
    /// Hands an event over. The answer must be 200.
    fn call(&self, running: &Running, number: u64) -> Result<Duration, BenchError> {
        let invocation = running.invoke(&self.entry.sample.event(number), PATIENCE)?;
        let answer: Value = serde_json::from_slice(&invocation.body).unwrap_or_default();
        if answer.get("statusCode").and_then(Value::as_u64) == Some(200) {
            return Ok(invocation.took());
        }
        let (answer, said) = (String::from_utf8_lossy(&invocation.body).into_owned(), running.last_words());
        Err(self.wrong(format!("answered {answer}, printed {said}{}", self.trouble())))
    }

    /// What calls became must be what they were to become, no more and no less: a retry or a spooled record would spoil the figure.
    fn look_at(&self, before: Taken, calls: u64) -> Result<(), BenchError> {
        let now = self.aws.taken();
        let became = (now.requests - before.requests, now.items - before.items, now.messages - before.messages);
        let expected = match self.entry.effect {
            Effect::Record => (2 * calls, 2 * calls, 0),
            Effect::Job => (calls, 0, calls),
            Effect::Nothing => (0, 0, 0),
        };
        if became == expected {
            return Ok(());
        }
        let what = format!("{calls} calls became {became:?} requests, items and messages, not {expected:?}");
        Err(self.wrong(format!("{what}{}", self.trouble())))
    }

    fn trouble(&self) -> String {
        let of_service = self.aws.service.unexpected();
        [self.aws.stub.trouble(), of_service].into_iter().flatten().map(|what| format!("; AWS saw {what}")).collect()
    }

    fn wrong(&self, what: String) -> BenchError {
        BenchError::Wrong { subject: self.entry.subject.name.clone(), what }
    }

    fn cpu(&self, running: &Running) -> Result<Duration, BenchError> {
        running.cpu().map_err(BenchError::io("read a process's CPU time"))
    }

    fn start(&self, cores: Cores, number: u64) -> Result<(Start, Running), BenchError> {
        let before = self.aws.taken();
        let mut running = self.entry.subject.start(cores)?;
        let polled_at = running.wait_for_init(PATIENCE)?;
        let init_cpu = self.cpu(&running)?;
        let first = self.call(&running, number)?;
        let first_cpu = self.cpu(&running)?.saturating_sub(init_cpu);
        self.look_at(before, 1)?;
        let init = polled_at.duration_since(running.spawned_at());
        let handshakes = self.aws.taken().handshakes - before.handshakes;
        Ok((Start { init, first, init_cpu, first_cpu, handshakes }, running))
    }

    /// A turn of warm calls.
    fn warm(&self, running: &Running, numbers: Range<u32>, warm: &mut Warm) -> Result<(), BenchError> {
        let calls = numbers.end - numbers.start;
        let (before, cpu) = (self.aws.taken(), self.cpu(running)?);
        for number in numbers {
            warm.times.push(self.call(running, number.into())?);
        }
        warm.cpu.push(self.cpu(running)?.saturating_sub(cpu) / calls.max(1));
        self.look_at(before, calls.into())
    }

    /// A start with the share of a core from the first poll on, and some warm calls.
    fn held(&self, hold: &Hold, cores: Cores, first_number: u64) -> Result<(Duration, Vec<Duration>), BenchError> {
        let before = self.aws.taken();
        let mut running = hold.of(&self.entry.subject).start(cores)?;
        running.wait_for_init(PATIENCE)?;
        hold.hold().map_err(BenchError::io("hold a process"))?;
        let first = self.call(&running, first_number)?;
        let mut warm = Vec::new();
        for number in 1..=HELD_WARM_CALLS {
            thread::sleep(BETWEEN_HELD_CALLS);
            warm.push(self.call(&running, first_number + number)?);
        }
        self.look_at(before, 1 + HELD_WARM_CALLS)?;
        Ok((first, warm))
    }
}

/// Measures every subject with a whole core.
///
/// # Errors
/// [`BenchError`] of the first subject that fails.
pub fn starts_and_calls(
    entries: &[Entry],
    weights: &BTreeMap<String, Weight>,
    aws: &Aws,
    plan: Plan,
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Figures>, BenchError> {
    let benches: Vec<Bench<'_>> = entries.iter().map(|entry| Bench { entry, aws }).collect();
    progress("cold starts");
    let mut starts: Vec<Vec<Start>> = Vec::new();
    // The first round reads the programs from the disk into memory and is not counted.
    for bench in &benches {
        bench.start(plan.cores, 0)?;
        starts.push(Vec::with_capacity(plan.rounds));
    }
    for round in 0..plan.rounds {
        for (bench, starts) in benches.iter().zip(&mut starts) {
            starts.push(bench.start(plan.cores, round as u64)?.0);
        }
    }

    progress("warm calls");
    let mut running: Vec<(Running, Warm)> = Vec::new();
    for bench in &benches {
        running.push((bench.start(plan.cores, 0)?.1, Warm::default()));
    }
    for turn in (1..=plan.warm_calls).step_by(TURN as usize) {
        let numbers = turn..(turn + TURN).min(plan.warm_calls + 1);
        for (bench, (running, warm)) in benches.iter().zip(&mut running) {
            bench.warm(running, numbers.clone(), warm)?;
        }
    }
    let all = benches.iter().zip(&starts).zip(&running);
    all.map(|((bench, starts), (running, warm))| {
        let weight = weights.get(&bench.entry.subject.name).copied().unwrap_or_default();
        figures(bench.entry, starts, running, warm, weight)
    })
    .collect()
}

fn figures(
    entry: &Entry,
    starts: &[Start],
    running: &Running,
    warm: &Warm,
    weight: Weight,
) -> Result<Figures, BenchError> {
    let spread = |of: fn(&Start) -> Duration| Spread::of(&starts.iter().map(of).collect::<Vec<_>>());
    let handshakes: u64 = starts.iter().map(|start| start.handshakes).sum();
    Ok(Figures {
        name: entry.subject.name.clone(),
        kind: entry.kind,
        requests: match entry.effect {
            Effect::Record => 2,
            Effect::Job => 1,
            Effect::Nothing => 0,
        },
        handshakes: handshakes as f64 / starts.len().max(1) as f64,
        init: spread(|start| start.init),
        first: spread(|start| start.first),
        cold: spread(|start| start.init + start.first),
        init_cpu: spread(|start| start.init_cpu).p50,
        first_cpu: spread(|start| start.first_cpu).p50,
        warm: Spread::of(&warm.times),
        warm_cpu: Spread::of(&warm.cpu).p50,
        resident_bytes: running.resident_bytes().map_err(BenchError::io("read a process's memory"))?,
        program_bytes: weight.bytes,
        zip_bytes: weight.zip_bytes,
    })
}

/// Measures every subject again while it is held to a share of a core from the end of INIT on. One that fails then is told as such: that a function is too slow to
/// be of use at this share is a result.
pub fn held(entries: &[Entry], aws: &Aws, plan: Plan, progress: &mut dyn FnMut(&str)) -> Held {
    let hold = match Hold::make() {
        Ok(hold) => hold,
        Err(error) => return Held::Impossible(error.to_string()),
    };
    progress("held to a share of a core");
    let mut rows: Vec<HeldRow> = entries.iter().map(|_| HeldRow::default()).collect();
    for round in 0..HELD_ROUNDS {
        for (entry, row) in entries.iter().zip(&mut rows) {
            let enough = row.firsts.len() >= FEWEST_HELD_ROUNDS && row.spent > HELD_PATIENCE;
            if row.trouble.is_some() || enough {
                continue;
            }
            let began = Instant::now();
            let measured = Bench { entry, aws }.held(&hold, plan.cores, round as u64 * 100);
            if let Err(error) = hold.let_go() {
                return Held::Impossible(error.to_string());
            }
            row.spent += began.elapsed();
            match measured {
                Ok((first, warm)) => {
                    row.firsts.push(first);
                    row.warm.extend(warm);
                }
                Err(error) => row.trouble = Some(error.to_string()),
            }
        }
    }
    let figures = entries.iter().zip(rows).map(|(entry, row)| HeldFigures {
        name: entry.subject.name.clone(),
        rounds: row.firsts.len(),
        first: Spread::of(&row.firsts),
        warm: Spread::of(&row.warm),
        trouble: row.trouble,
    });
    Held::Measured(figures.collect())
}

#[derive(Default)]
struct HeldRow {
    firsts: Vec<Duration>,
    warm: Vec<Duration>,
    spent: Duration,
    trouble: Option<String>,
}
