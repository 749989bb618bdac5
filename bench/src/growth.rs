//! Whether a callback costs more when its call is long or the table full: from 10 events in one call to
//! 10,000, and in a table of no calls and of 100,000.
//!
//! Callbacks come one by one: once all to one environment, as when a room is quiet, and once to two in turns,
//! as when it is busy. Two in turns are the worst case, because each finds a call that the other has changed
//! since. The table is the harness's, in memory: DynamoDB's own time is DynamoDB's promise, and not measured
//! here.

use std::iter;
use std::ops::Range;

use anyhow::{Result, ensure};
use serde::Serialize;
use serde_json::Value;

use crate::aws::Aws;
use crate::environments::{Environments, Figures, Spent};
use crate::process::Place;
use crate::stories::{Group, Stories, Story};
use crate::subject::{Bench, COMPARED};

/// Events of one call, and of the shortest so many calls that last tenths are a hundred callbacks at every
/// length.
const LENGTHS: [usize; 4] = [10, 100, 1_000, 10_000];
const CALLBACKS_OF_A_LENGTH: usize = 1_000;
const CALLS_IN_THE_FULL_TABLE: usize = 100_000;
/// Callbacks against each of the two tables, in turns of so many.
const CALLBACKS_OF_A_TABLE: usize = 1_000;
const TURN: usize = 50;
/// Callbacks before any that count.
const WARM_UP: usize = 200;

#[derive(Clone, Debug, Default, Serialize)]
pub struct Growth {
    pub lengths: Vec<LengthRow>,
    pub tables: Vec<TableRow>,
}

/// Calls of one length.
#[derive(Clone, Debug, Serialize)]
pub struct LengthRow {
    pub function: &'static str,
    /// At the most, in one call.
    pub people: usize,
    pub environments: usize,
    pub events: usize,
    pub calls: usize,
    /// A callback, over all of the calls and over the last tenth of each.
    pub whole: Figures,
    pub last_tenth: Figures,
}

/// A table with so many calls.
#[derive(Clone, Debug, Serialize)]
pub struct TableRow {
    pub function: &'static str,
    pub calls: usize,
    pub figures: Figures,
}

impl Growth {
    /// By how much requests and write units of a callback at a call's end differ between the shortest calls
    /// and any longer one, as a part of the shortest's.
    pub fn largest_difference(&self) -> f64 {
        let difference = |row: &LengthRow| {
            let alike =
                |other: &&LengthRow| (other.function, other.environments) == (row.function, row.environments);
            let shortest = self.lengths.iter().filter(alike).min_by_key(|row| row.events)?.last_tenth.usage;
            let here = row.last_tenth.usage;
            let parts = [here.requests / shortest.requests, here.write_units / shortest.write_units];
            Some(parts.map(|part| (part - 1.0).abs()).into_iter().fold(0.0, f64::max))
        };
        self.lengths.iter().filter_map(difference).fold(0.0, f64::max)
    }
}

pub fn run(bench: &Bench) -> Result<Growth> {
    let stories = Stories::read(&bench.cases())?;
    let mut growth = Growth::default();
    for group in [&stories.room, &stories.group_call] {
        for environments in [1, 2] {
            of_every_length(bench, group, environments, &mut growth.lengths)?;
        }
    }
    growth.tables = empty_and_full(bench, &stories)?;
    Ok(growth)
}

fn of_every_length(bench: &Bench, group: &Group, count: usize, rows: &mut Vec<LengthRow>) -> Result<()> {
    let aws = Aws::start()?;
    let subject = bench.function(group.function, &aws)?;
    let mut environments = Environments::start(bench, &aws, &subject, count, Place::OnTheFunctionsCore)?;
    environments.measure(&group.story(0, if bench.is_short { 10 } else { WARM_UP }).callbacks, 200)?;
    let (longest, callbacks) = if bench.is_short { (100, 100) } else { (usize::MAX, CALLBACKS_OF_A_LENGTH) };
    for events in LENGTHS.into_iter().filter(|events| *events <= longest) {
        let calls = (callbacks / events).max(1);
        let (mut whole, mut last_tenth) = (Spent::default(), Spent::default());
        for number in 0..calls {
            let story = group.story(number + 1, events);
            let (first, last) = story.callbacks.split_at(events - events / 10);
            whole.add(environments.measure(first, 200)?);
            let last = environments.measure(last, 200)?;
            whole.add(last.clone());
            last_tenth.add(last);
            environments.play(&story.end, 200)?;
            look_at(&aws, &story)?;
        }
        rows.push(LengthRow {
            function: group.function,
            people: group.people,
            environments: count,
            events,
            calls,
            whole: whole.figures(),
            last_tenth: last_tenth.figures(),
        });
    }
    environments.must_have_recorded()
}

/// The call must be over, with an event item for each of its callbacks.
fn look_at(aws: &Aws, story: &Story) -> Result<()> {
    let mut items = aws.table().partition(&story.sid);
    let call = items.remove("call").unwrap_or_default();
    let status = call.get("status").and_then(|status| status.get("S")).and_then(Value::as_str);
    let (told, found) = (story.callbacks.len() + 1, items.len());
    ensure!(
        found == told && status == Some("ended"),
        "{told} callbacks became {found} events; the call is {status:?}"
    );
    Ok(())
}

/// The same callbacks against both tables, in turns.
fn empty_and_full(bench: &Bench, stories: &Stories) -> Result<Vec<TableRow>> {
    let (calls, callbacks, warm_up) = if bench.is_short {
        (1_000, 50, 10)
    } else {
        (CALLS_IN_THE_FULL_TABLE, CALLBACKS_OF_A_TABLE, WARM_UP)
    };
    let aws = [Aws::start()?, Aws::start()?];
    let [empty, full] = &aws;
    let mut environments = Vec::new();
    for aws in [empty, full] {
        let subject = bench.function(COMPARED, aws)?;
        let mut started = Environments::start(bench, aws, &subject, 1, Place::OnTheFunctionsCore)?;
        let warm_up: Vec<String> = (0..warm_up).map(|number| stories.one_to_one(number).end).collect();
        started.measure(&warm_up, 200)?;
        environments.push((started, Spent::default()));
    }
    empty.table().clear();
    fill(full, stories, warm_up..calls)?;
    let numbers: Vec<usize> = (calls..calls + callbacks).collect();
    for turn in numbers.chunks(TURN) {
        let events: Vec<String> = turn.iter().map(|number| stories.one_to_one(*number).end).collect();
        for (environments, spent) in &mut environments {
            spent.add(environments.measure(&events, 200)?);
        }
    }
    iter::zip([0, calls], environments)
        .map(|(calls, (environments, spent))| {
            environments.must_have_recorded()?;
            Ok(TableRow { function: COMPARED, calls, figures: spent.figures() })
        })
        .collect()
}

/// Fills a table that holds the calls of the warm-up: with copies of the first of them under other session
/// ids.
fn fill(aws: &Aws, stories: &Stories, numbers: Range<usize>) -> Result<()> {
    let mut table = aws.table();
    let first = stories.one_to_one(0).sid;
    let items: Vec<String> =
        table.partition(&first).into_values().map(|item| Value::Object(item).to_string()).collect();
    ensure!(items.len() == 2, "a call is {} items", items.len());
    for number in numbers {
        let sid = stories.one_to_one(number).sid;
        for item in &items {
            table.preload(&item.replace(&first, &sid))?;
        }
    }
    Ok(())
}
