//! Whether a callback costs more when its call is long or the table full: time, CPU, requests and capacity a callback, from 10 events in one call to 10,000,
//! and in a table of no calls and of 100,000.
//!
//! The callbacks go one by one through a function's Runtime API: once all to one environment, as when a room is quiet, and once to two in turns, as Lambda would have
//! it when the room is busy. Two in turns are the worst case, because each finds a call that the other has changed since. The table is [`Table`], in this process's memory: its own time stays out of what grows, and
//! what a function asks of it (requests, capacity) is counted to the last one. DynamoDB's own time is DynamoDB's promise, and not measured here.

pub mod stories;

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::stories::{GroupCalls, OneToOneCalls, Rooms, Story};
use crate::aws_stub::AwsStub;
use crate::cores::Cores;
use crate::error::BenchError;
use crate::statistics::percentile;
use crate::subject::{Running, Subject};
use crate::table::{Counts, Item, Table, Unacceptable};

/// Events of one call.
const LENGTHS: [usize; 4] = [10, 100, 1_000, 10_000];
/// Short calls are played until it is so many callbacks, so that the last tenths are a hundred callbacks or more at every length.
const CALLBACKS_OF_A_LENGTH: usize = 1_000;
/// Calls in the full table.
const CALLS_IN_THE_TABLE: usize = 100_000;
/// Callbacks against each of the two tables, in turns of so many.
const CALLBACKS_OF_A_TABLE: usize = 1_000;
const CALLBACKS_OF_A_TURN: usize = 50;
/// Callbacks before any that count.
const WARM_UP: usize = 200;
const PATIENCE: Duration = Duration::from_secs(10);

/// What a run stands on.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The functions as subjects, by name, with the stub as their AWS.
    pub subject: &'a dyn Fn(&str, &AwsStub) -> Result<Subject, BenchError>,
    /// The folder of the sample events.
    pub events: &'a Path,
    /// Who runs where.
    pub cores: Cores,
}

/// What growth was looked for and found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// By function and length.
    pub calls: Vec<CallRow>,
    /// By fullness.
    pub tables: Vec<TableRow>,
}

/// Calls of one length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRow {
    /// The function.
    pub function: String,
    /// Events in one call.
    pub events: usize,
    /// Calls of that length.
    pub calls: usize,
    /// People in one call at the most.
    pub people: usize,
    /// Environments of the function; of several, each in its turn gets a callback.
    pub environments: usize,
    /// A callback, over all of the calls.
    pub whole: Figures,
    /// A callback, over the last tenth of each call.
    pub last_tenth: Figures,
}

/// A table with so many calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableRow {
    /// The function.
    pub function: String,
    /// Calls in the table.
    pub calls: usize,
    /// A callback.
    pub figures: Figures,
}

/// What a callback took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Over how many callbacks.
    pub callbacks: usize,
    /// From handing over the event until the whole answer, in microseconds.
    pub median_us: f64,
    /// The same of the slowest hundredth.
    pub p99_us: f64,
    /// The function's CPU time in microseconds.
    pub cpu_us: f64,
    /// Requests to the table.
    pub requests: f64,
    /// Write capacity units.
    pub capacity: f64,
}

impl Growth {
    /// By how much requests and capacity of a callback differ between the shortest call's end and any longer one's: the largest difference, as a part of the
    /// shortest's. The bar is that there is none.
    pub fn largest_difference(&self) -> f64 {
        let differences = self.calls.iter().filter_map(|row| {
            let alike = |other: &&CallRow| other.function == row.function && other.environments == row.environments;
            let shortest = self.calls.iter().filter(alike).min_by_key(|row| row.events)?;
            let difference = |of: fn(&Figures) -> f64| (of(&row.last_tenth) / of(&shortest.last_tenth) - 1.0).abs();
            Some(difference(|figures| figures.requests).max(difference(|figures| figures.capacity)))
        });
        differences.fold(0.0, f64::max)
    }
}

/// Plays calls of every length through the functions that group calls come to, and one-to-one calls against an empty and a full table.
///
/// # Errors
/// [`BenchError`] when a callback is not recorded, the table holds anything else than the callbacks told, or a function uses the spool.
pub fn run(ground: &Ground<'_>) -> Result<Growth, BenchError> {
    let rooms = Rooms::read(ground.events)?;
    let group_calls = GroupCalls::read(ground.events)?;
    let room = |number, events| rooms.story(number, events);
    let group_call = |number, events| group_calls.story(number, events);
    let mut calls = Vec::new();
    for (function, people, story) in [
        ("group-call-event", stories::PEOPLE_IN_A_ROOM, &room as &Storyteller<'_>),
        ("tencent-call-event", stories::MEMBERS_OF_A_GROUP_CALL, &group_call),
    ] {
        for environments in [1, 2] {
            let played = Played::start(ground, function, environments, "growth")?;
            calls.extend(of_every_length(&played, people, story)?);
        }
    }
    Ok(Growth { calls, tables: empty_and_full(ground)? })
}

/// Tells the story of a number, with so many events.
type Storyteller<'a> = dyn Fn(usize, usize) -> Story + 'a;

/// A function that runs against a table of its own.
struct Played {
    function: String,
    environments: Vec<Running>,
    callbacks: Cell<usize>,
    table: Arc<Table>,
    stub: AwsStub,
}

impl Played {
    fn start(ground: &Ground<'_>, function: &str, environments: usize, log: &str) -> Result<Self, BenchError> {
        let table = Arc::new(Table::new());
        let stub = AwsStub::start(Arc::clone(&table) as Arc<_>)?;
        let subject = (ground.subject)(function, &stub)?;
        let start = |number: usize| {
            let log = subject.log.with_extension(format!("{log}-{number}.log"));
            let mut running = Subject { log, ..subject.clone() }.start(ground.cores)?;
            running.wait_for_init(PATIENCE)?;
            Ok(running)
        };
        let environments = (0..environments).map(start).collect::<Result<_, BenchError>>()?;
        Ok(Self { function: function.to_owned(), environments, callbacks: Cell::new(0), table, stub })
    }

    /// The environment whose turn it is.
    fn next(&self) -> Result<&Running, BenchError> {
        let turn = self.callbacks.replace(self.callbacks.get() + 1) % self.environments.len().max(1);
        self.environments.get(turn).ok_or_else(|| self.wrong("it has no environment".to_owned()))
    }

    /// Plays one callback, which must be recorded.
    fn play(&self, event: &str) -> Result<Duration, BenchError> {
        let invocation = self.next()?.invoke(event.as_bytes(), PATIENCE)?;
        let answer: Value = serde_json::from_slice(&invocation.body).unwrap_or_default();
        let body = answer.get("body").and_then(Value::as_str).unwrap_or_default();
        let taken = body.contains(r#""result":"recorded""#) || body.contains(r#""ActionStatus":"OK""#);
        if answer.get("statusCode").and_then(Value::as_u64) == Some(200) && taken {
            Ok(invocation.took())
        } else {
            Err(self.wrong(format!("it answered {answer}")))
        }
    }

    /// Plays callbacks one by one and adds what they took.
    fn measure(&self, events: &[String], spent: &mut Spent) -> Result<(), BenchError> {
        let (counts, cpu) = (self.table.counts(), self.cpu()?);
        for event in events {
            spent.walls.push(self.play(event)?);
        }
        spent.cpu += self.cpu()?.saturating_sub(cpu);
        let counts = self.table.counts().since(counts);
        spent.requests += counts.requests;
        spent.capacity += counts.capacity;
        Ok(())
    }

    fn cpu(&self) -> Result<Duration, BenchError> {
        let cpu = self.environments.iter().map(Running::cpu).sum::<std::io::Result<_>>();
        cpu.map_err(BenchError::io("read a function's CPU time"))
    }

    /// The call of a story must be over, with an event item for each of its callbacks.
    fn look_at(&self, story: &Story) -> Result<(), BenchError> {
        let mut items = self.table.partition(&story.sid);
        let call = items.remove("call").unwrap_or_default();
        let status = call.get("status").and_then(|status| status.get("S")).and_then(Value::as_str);
        if items.len() != story.callbacks.len() + 1 || status != Some("ended") {
            let (told, found) = (story.callbacks.len() + 1, items.len());
            return Err(self.wrong(format!("{told} callbacks became {found} events and a call that is {status:?}")));
        }
        Ok(())
    }

    /// Nothing may have been spooled, or asked that nobody expects.
    fn look_at_counts(&self) -> Result<(), BenchError> {
        match (self.table.counts(), self.stub.trouble()) {
            (Counts { published: 0, unexpected: 0, .. }, None) => Ok(()),
            (counts, trouble) => {
                let said: Vec<String> = self.environments.iter().map(Running::last_words).collect();
                Err(self.wrong(format!("{counts:?}, {trouble:?}; {}", said.join("; "))))
            }
        }
    }

    fn wrong(&self, what: String) -> BenchError {
        BenchError::Wrong { subject: self.function.clone(), what }
    }
}

/// What callbacks took together.
#[derive(Debug, Default)]
struct Spent {
    walls: Vec<Duration>,
    cpu: Duration,
    requests: u64,
    capacity: u64,
}

impl Spent {
    fn and(&self, other: &Self) -> Self {
        Self {
            walls: [&self.walls[..], &other.walls[..]].concat(),
            cpu: self.cpu + other.cpu,
            requests: self.requests + other.requests,
            capacity: self.capacity + other.capacity,
        }
    }

    fn figures(&self) -> Figures {
        let mut walls: Vec<f64> = self.walls.iter().map(|wall| wall.as_secs_f64() * 1e6).collect();
        walls.sort_unstable_by(f64::total_cmp);
        let count = walls.len().max(1) as f64;
        Figures {
            callbacks: walls.len(),
            median_us: percentile(&walls, 50),
            p99_us: percentile(&walls, 99),
            cpu_us: self.cpu.as_secs_f64() * 1e6 / count,
            requests: self.requests as f64 / count,
            capacity: self.capacity as f64 / count,
        }
    }
}

/// Calls of every length through one function and into one table.
fn of_every_length(played: &Played, people: usize, story: &Storyteller<'_>) -> Result<Vec<CallRow>, BenchError> {
    for event in story(usize::MAX, WARM_UP).callbacks {
        played.play(&event)?;
    }
    let mut rows = Vec::new();
    for events in LENGTHS {
        let calls = (CALLBACKS_OF_A_LENGTH / events).max(1);
        let (mut first_tenths, mut last_tenth) = (Spent::default(), Spent::default());
        for number in 0..calls {
            let story = story(number, events);
            let (first, last) = story.callbacks.split_at(events - events / 10);
            played.measure(first, &mut first_tenths)?;
            played.measure(last, &mut last_tenth)?;
            played.play(&story.end)?;
            played.look_at(&story)?;
        }
        rows.push(CallRow {
            function: played.function.clone(),
            events,
            calls,
            people,
            environments: played.environments.len(),
            whole: first_tenths.and(&last_tenth).figures(),
            last_tenth: last_tenth.figures(),
        });
    }
    played.look_at_counts()?;
    Ok(rows)
}

/// The same callbacks against both tables, in turns.
fn empty_and_full(ground: &Ground<'_>) -> Result<Vec<TableRow>, BenchError> {
    const FUNCTION: &str = "call-event";
    let calls = OneToOneCalls::read(ground.events)?;
    let empty = Played::start(ground, FUNCTION, 1, "empty")?;
    let full = Played::start(ground, FUNCTION, 1, "full")?;
    for number in 0..WARM_UP {
        let (_, event) = calls.ended(number);
        empty.play(&event)?;
        full.play(&event)?;
    }
    empty.table.clear();
    fill(&full.table, &calls)?;

    let (mut of_empty, mut of_full) = (Spent::default(), Spent::default());
    let numbers: Vec<usize> = (CALLS_IN_THE_TABLE..CALLS_IN_THE_TABLE + CALLBACKS_OF_A_TABLE).collect();
    for turn in numbers.chunks(CALLBACKS_OF_A_TURN) {
        let events: Vec<String> = turn.iter().map(|number| calls.ended(*number).1).collect();
        empty.measure(&events, &mut of_empty)?;
        full.measure(&events, &mut of_full)?;
    }
    empty.look_at_counts()?;
    full.look_at_counts()?;
    let row = |calls, spent: &Spent| TableRow { function: FUNCTION.to_owned(), calls, figures: spent.figures() };
    Ok(vec![row(0, &of_empty), row(CALLS_IN_THE_TABLE, &of_full)])
}

/// Fills a table that holds the calls of the warm-up: with copies of the first of them, as the function itself stored it, under other session ids.
fn fill(table: &Table, calls: &OneToOneCalls) -> Result<(), BenchError> {
    let (first, _) = calls.ended(0);
    let items: Vec<String> =
        table.partition(&first).into_values().map(|item| Value::Object(item).to_string()).collect();
    for number in WARM_UP..CALLS_IN_THE_TABLE {
        let (sid, _) = calls.ended(number);
        for item in &items {
            let copy = serde_json::from_str::<Item>(&item.replace(&first, &sid)).map_err(Unacceptable::from);
            let wrong =
                |error: Unacceptable| BenchError::Wrong { subject: "a copy".to_owned(), what: error.to_string() };
            copy.and_then(|copy| table.preload(&copy)).map_err(wrong)?;
        }
    }
    Ok(())
}
