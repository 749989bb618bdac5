//! What reading calls takes: whether `project` asks for more as a room or a user's history grows, what a page
//! of history and the list of live rooms take, how fast batches of changes are projected, and what a call
//! uses on top.
//!
//! The callbacks' functions make the changes themselves: each put of theirs is a record of the stream. All
//! tables are the harness's, in memory, with DynamoDB's rules for units and pages. So times are the
//! functions', without DynamoDB's own.

use std::collections::{BTreeMap, HashSet};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, anyhow, ensure};
use ringback_tests::gateway::Request;
use serde::Serialize;
use serde_json::{Value, json};

use crate::aws::Aws;
use crate::environments::{Environments, Figures, Spent};
use crate::process::{Place, Running};
use crate::replay;
use crate::stories::{self, Group, Stories};
use crate::subject::Bench;
use crate::table::{Item, Usage};
use crate::views::{FIGURES, VIEWS};

/// Events of a room, or calls of a user.
const LENGTHS: [usize; 4] = [10, 100, 1_000, 10_000];
const CALLBACKS_OF_A_LENGTH: usize = 1_000;
const WARM_UP: usize = 100;
/// Whose history grows.
const PERSON: &str = "user-of-many-calls";
/// As many rows as the shortest history has, less the one that tells whether there are more.
const ROWS_OF_A_PAGE: usize = 9;
const PAGES: usize = 200;
const LIVE_ROOMS: usize = 10_000;
const LISTS: usize = 10;
/// `BatchSize` of the template.
const BATCH: usize = 1_000;
const ENVIRONMENTS: usize = 2;
const MINUTES: usize = 100;
/// Calls of each kind whose cost is measured.
const CALLS: usize = 50;

#[derive(Clone, Debug, Default, Serialize)]
pub struct Reading {
    /// A callback projected by itself.
    pub lengths: Vec<LengthRow>,
    pub pages: Vec<PageRow>,
    pub live: Live,
    pub throughput: Throughput,
    pub calls: Vec<CallRow>,
}

#[derive(Clone, Debug, Serialize)]
pub struct LengthRow {
    /// What grows.
    pub what: &'static str,
    pub length: usize,
    /// Of the last tenth.
    pub last_tenth: Figures,
}

/// Pages of a user's history.
#[derive(Clone, Debug, Serialize)]
pub struct PageRow {
    pub calls: usize,
    pub rows: usize,
    pub figures: Figures,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Live {
    pub rooms: usize,
    pub answer_bytes: usize,
    pub figures: Figures,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Throughput {
    pub changes: usize,
    pub calls: usize,
    pub environments: usize,
    pub batch: usize,
    pub changes_a_second: f64,
    /// Rows and counted calls that differ from those of one change at a time.
    pub lost: usize,
    /// For a change.
    pub usage: Usage,
}

/// A call, of which each callback is projected by itself.
#[derive(Clone, Debug, Serialize)]
pub struct CallRow {
    pub name: &'static str,
    pub callbacks: usize,
    /// For a call.
    pub usage: Usage,
}

impl Reading {
    /// By how much requests and write units of a callback differ between the shortest length and any longer
    /// one.
    pub fn largest_difference(&self) -> f64 {
        let difference = |row: &LengthRow| {
            let shortest =
                self.lengths.iter().filter(|other| other.what == row.what).min_by_key(|it| it.length);
            let (here, shortest) = (row.last_tenth.usage, shortest?.last_tenth.usage);
            let parts = [here.requests / shortest.requests, here.write_units / shortest.write_units];
            Some(parts.map(|part| (part - 1.0).abs()).into_iter().fold(0.0, f64::max))
        };
        self.lengths.iter().filter_map(difference).fold(0.0, f64::max)
    }

    /// The same of a page's requests and read units.
    pub fn pages_difference(&self) -> f64 {
        let Some(shortest) = self.pages.first().map(|page| page.figures.usage) else { return f64::NAN };
        let parts =
            self.pages.iter().map(|page| page.figures.usage).flat_map(|usage| {
                [usage.requests / shortest.requests, usage.read_units / shortest.read_units]
            });
        parts.map(|part| (part - 1.0).abs()).fold(0.0, f64::max)
    }
}

pub fn run(bench: &Bench) -> Result<Reading> {
    let stories = Stories::read(&bench.cases())?;
    let mut reading = Reading::default();
    rooms(bench, &stories.room, &mut reading.lengths)?;
    users(bench, &stories, &mut reading)?;
    reading.live = live(bench, &stories.room)?;
    reading.throughput = throughput(bench, &stories)?;
    reading.calls = calls(bench)?;
    Ok(reading)
}

/// A function that records, and the stream of its table.
struct Source {
    aws: Aws,
}

impl Source {
    fn start() -> Result<Self> {
        let aws = Aws::start()?;
        aws.table().stream = Some(Vec::new());
        Ok(Self { aws })
    }

    fn function<'a>(&'a self, bench: &Bench, function: &str) -> Result<Environments<'a>> {
        let subject = bench.function(function, &self.aws)?;
        Environments::start(bench, &self.aws, &subject, 1, Place::OnTheFunctionsCore)
    }

    /// The changes since the last time.
    fn changes(&self) -> Vec<String> {
        self.aws.table().stream.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

/// Tables that are read, with what fills them.
fn reader<'a>(bench: &Bench, aws: &'a Aws, function: &str, place: Place<'_>) -> Result<Environments<'a>> {
    Environments::start(bench, aws, &bench.reading(function, aws)?, 1, place)
}

fn batch(changes: &[String], shard: usize) -> String {
    format!(r#"{{"shardId":"shardId-{shard:020}","Records":[{}]}}"#, changes.join(","))
}

fn project(running: &Running, changes: &[String], shard: usize) -> Result<Duration> {
    let (answer, took) = running.hand_over(&batch(changes, shard))?;
    let failures = answer.get("batchItemFailures").and_then(Value::as_array);
    ensure!(failures.is_some_and(Vec::is_empty), "project answered {answer}; {}", running.last_words());
    Ok(took)
}

fn only<'a>(environments: &'a Environments<'_>) -> Result<&'a Running> {
    environments.running.first().context("no environment")
}

/// Callbacks, each of which is projected by itself.
fn follow(
    source: &Source,
    recorder: &mut Environments<'_>,
    projector: &Environments<'_>,
    events: &[String],
) -> Result<Spent> {
    let before = projector.usage()?;
    let mut times = Vec::new();
    for event in events {
        recorder.play(event, 200)?;
        times.push(project(only(projector)?, &source.changes(), 0)?);
    }
    Ok(Spent { times, usage: projector.usage()? - before })
}

fn rooms(bench: &Bench, room: &Group, rows: &mut Vec<LengthRow>) -> Result<()> {
    let (source, aws) = (Source::start()?, Aws::start()?);
    let mut recorder = source.function(bench, room.function)?;
    let projector = reader(bench, &aws, "project", Place::OnTheFunctionsCore)?;
    follow(&source, &mut recorder, &projector, &room.story(0, WARM_UP).callbacks)?;
    let (longest, callbacks) = if bench.is_short { (100, 100) } else { (usize::MAX, CALLBACKS_OF_A_LENGTH) };
    for events in LENGTHS.into_iter().filter(|events| *events <= longest) {
        let mut last_tenth = Spent::default();
        for number in 0..(callbacks / events).max(1) {
            let story = room.story(number + 1, events);
            let (first, last) = story.callbacks.split_at(events - events / 10);
            follow(&source, &mut recorder, &projector, first)?;
            last_tenth.add(follow(&source, &mut recorder, &projector, last)?);
            follow(&source, &mut recorder, &projector, &[story.end])?;
        }
        let what = "events of a room";
        rows.push(LengthRow { what, length: events, last_tenth: last_tenth.figures() });
    }
    ensure!(aws.trouble().is_none(), "{:?}", aws.trouble());
    Ok(())
}

fn users(bench: &Bench, stories: &Stories, reading: &mut Reading) -> Result<()> {
    let (source, aws) = (Source::start()?, Aws::start()?);
    let mut recorder = source.function(bench, "call-event")?;
    let projector = reader(bench, &aws, "project", Place::OnTheFunctionsCore)?;
    let history = reader(bench, &aws, "history", Place::OnTheFunctionsCore)?;
    let others: Vec<String> = (0..WARM_UP).map(|number| stories.one_to_one(900_000 + number).end).collect();
    follow(&source, &mut recorder, &projector, &others)?;
    let longest = if bench.is_short { 100 } else { usize::MAX };
    let mut calls = 0;
    for length in LENGTHS.into_iter().filter(|length| *length <= longest) {
        let mut events = (calls..length).map(|number| stories.one_to_one_of(PERSON, number).end);
        let first: Vec<String> = events.by_ref().take(length - length / 10 - calls).collect();
        follow(&source, &mut recorder, &projector, &first)?;
        let last: Vec<String> = events.collect();
        let spent = follow(&source, &mut recorder, &projector, &last)?;
        reading.lengths.push(LengthRow { what: "calls of a user", length, last_tenth: spent.figures() });
        calls = length;

        let path = format!("/users/planetkit/{PERSON}/calls");
        let (rows, _, figures) = ask(&history, &path, &format!("limit={ROWS_OF_A_PAGE}"), "calls", PAGES)?;
        ensure!(rows == ROWS_OF_A_PAGE, "a page of {rows} rows");
        reading.pages.push(PageRow { calls, rows, figures });
    }
    ensure!(aws.trouble().is_none(), "{:?}", aws.trouble());
    Ok(())
}

/// Asks so many times. How many rows are in the answer, and its bytes.
fn ask(
    history: &Environments<'_>,
    path: &str,
    query: &str,
    list: &str,
    times: usize,
) -> Result<(usize, usize, Figures)> {
    let request = Request {
        method: "GET".to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        ..Request::default()
    };
    let event = request.event(&json!({ "iam": { "accessKey": "local" } })).to_string();
    let running = only(history)?;
    // The first one opens the connection.
    running.hand_over(&event)?;
    let before = history.usage()?;
    let (mut rows, mut bytes, mut spent) = (0, 0, Vec::new());
    for _ in 0..times {
        let (answer, took) = running.hand_over(&event)?;
        let body = answer.get("body").and_then(Value::as_str).unwrap_or_default();
        let is_right = answer.get("statusCode") == Some(&json!(200));
        ensure!(is_right, "history answered {answer:.500}; {}", running.last_words());
        let body_read: Value = serde_json::from_str(body)?;
        rows = body_read.get(list).and_then(Value::as_array).map_or(0, Vec::len);
        bytes = body.len();
        spent.push(took);
    }
    Ok((rows, bytes, Spent { times: spent, usage: history.usage()? - before }.figures()))
}

fn live(bench: &Bench, room: &Group) -> Result<Live> {
    let (source, aws) = (Source::start()?, Aws::start()?);
    let mut recorder = source.function(bench, room.function)?;
    let projector = reader(bench, &aws, "project", Place::OnTheFunctionsCore)?;
    let rooms = if bench.is_short { 100 } else { LIVE_ROOMS };
    // A room that was silent for a day is not listed.
    let now = SystemTime::UNIX_EPOCH.elapsed()?.as_millis();
    for number in 0..rooms {
        let story = room.story(number, 1);
        recorder.play(&stories::at(story.callbacks.first().context("no callback")?, now), 200)?;
    }
    for changes in source.changes().chunks(BATCH) {
        project(only(&projector)?, changes, 0)?;
    }
    let history = reader(bench, &aws, "history", Place::OnTheFunctionsCore)?;
    let (listed, answer_bytes, figures) = ask(&history, "/rooms/live", "", "rooms", LISTS)?;
    ensure!(listed == rooms, "{listed} of {rooms} rooms are listed");
    Ok(Live { rooms, answer_bytes, figures })
}

/// The same changes twice: shard by shard as fast as it goes, and one after the other in small batches. Both
/// must end alike.
fn throughput(bench: &Bench, stories: &Stories) -> Result<Throughput> {
    let source = Source::start()?;
    let callbacks = replay::callbacks(stories, if bench.is_short { 2 } else { MINUTES });
    replay::play(bench, &source.aws, &callbacks)?;
    let changes = source.changes();
    let calls = source.aws.table().sids().len();

    let [fast, slow] = [Aws::start()?, Aws::start()?];
    let small = reader(bench, &slow, "project", Place::OnTheFunctionsCore)?;
    for changes in changes.chunks(BATCH / 10) {
        project(only(&small)?, changes, 0)?;
    }
    drop(small);

    let mut shards: Vec<Vec<String>> = vec![Vec::new(); ENVIRONMENTS];
    for change in &changes {
        let shard = sid(change)?.bytes().map(usize::from).sum::<usize>() % ENVIRONMENTS;
        shards.get_mut(shard).context("no shard")?.push(change.clone());
    }
    let subject = bench.reading("project", &fast)?;
    let environments = Environments::start(bench, &fast, &subject, ENVIRONMENTS, Place::OnAllCores)?;
    let before = environments.usage()?;
    let began = Instant::now();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..)
            .zip(environments.running.iter().zip(&shards))
            .map(|(number, (running, changes))| {
                scope.spawn(move || {
                    changes.chunks(BATCH).try_for_each(|changes| project(running, changes, number).map(drop))
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?)
    })?;
    let took = began.elapsed();
    let usage = environments.usage()? - before;
    for aws in [&fast, &slow] {
        ensure!(aws.trouble().is_none(), "{:?}", aws.trouble());
    }
    Ok(Throughput {
        changes: changes.len(),
        calls,
        environments: ENVIRONMENTS,
        batch: BATCH,
        changes_a_second: changes.len() as f64 / took.as_secs_f64(),
        lost: lost(&fast, &slow) + counted(&fast).abs_diff(calls),
        usage: usage / changes.len() as f64,
    })
}

fn sid(change: &str) -> Result<String> {
    let change: Value = serde_json::from_str(change)?;
    let sid = change.pointer("/dynamodb/NewImage/sid/S").and_then(Value::as_str);
    sid.map(str::to_owned).context("a change of no call")
}

/// Rows that one has and the other has not, or otherwise.
fn lost(fast: &Aws, slow: &Aws) -> usize {
    let (fast, slow) = (fast.table().views.rows(VIEWS), slow.table().views.rows(VIEWS));
    let keys: HashSet<_> = fast.keys().chain(slow.keys()).collect();
    keys.into_iter().filter(|key| row(&fast, key) != row(&slow, key)).count()
}

fn row(rows: &BTreeMap<(String, String), Item>, key: &(String, String)) -> Option<Item> {
    rows.get(key).cloned().map(with_sorted_sets)
}

/// Sets have no order.
fn with_sorted_sets(mut row: Item) -> Item {
    for value in row.values_mut().filter_map(Value::as_object_mut) {
        for (_, set) in value.iter_mut().filter(|(letter, _)| *letter == "NS" || *letter == "SS") {
            if let Some(set) = set.as_array_mut() {
                set.sort_by_key(Value::to_string);
            }
        }
    }
    row
}

/// How many calls the counters of all hours count.
fn counted(aws: &Aws) -> usize {
    let counters = aws.table().views.rows(FIGURES);
    let calls =
        counters.values().filter_map(|item| item.get("calls")?.get("N")?.as_str()?.parse::<usize>().ok());
    calls.sum()
}

fn calls(bench: &Bench) -> Result<Vec<CallRow>> {
    let kinds = [
        ("line one-to-one call", "call-event", "bob-answers"),
        ("line group call", "group-call-event", "stand-up"),
        ("tencent one-to-one call", "tencent-call-event", "tencent-current-one-to-one"),
        ("tencent group call", "tencent-call-event", "current-group"),
    ];
    kinds.into_iter().map(|(name, function, call)| call_row(bench, name, function, call)).collect()
}

fn call_row(bench: &Bench, name: &'static str, function: &str, call: &str) -> Result<CallRow> {
    let (source, aws) = (Source::start()?, Aws::start()?);
    let mut recorder = source.function(bench, function)?;
    let projector = reader(bench, &aws, "project", Place::OnTheFunctionsCore)?;
    let callbacks = bench.cases().call(function, call)?;
    let events =
        |number| callbacks.iter().map(|callback| callback.of_call(number)).collect::<Result<Vec<_>>>();
    // The first call notes that there is this service.
    follow(&source, &mut recorder, &projector, &events(1)?)?;
    let mut spent = Spent::default();
    for number in 2..2 + CALLS as u64 {
        spent.add(follow(&source, &mut recorder, &projector, &events(number)?)?);
    }
    ensure!(aws.trouble().is_none(), "{:?}", aws.trouble());
    Ok(CallRow { name, callbacks: callbacks.len(), usage: spent.usage / CALLS as f64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_as_large_as_in_the_template() {
        assert!(include_str!("../../template.yaml").contains(&format!("BatchSize: {BATCH}\n")));
    }

    #[test]
    fn rows_that_are_missing_or_tell_something_else_are_lost() {
        let [fast, slow] = [Aws::start().unwrap(), Aws::start().unwrap()];
        let put = |aws: &Aws, online: &str, came: [&str; 2]| {
            let row = json!({
                "pk": { "S": "live#0" }, "sk": { "S": "line#a" }, "online": { "N": online },
                "came": { "NS": came },
            });
            let body = json!({ "TableName": VIEWS, "Item": row }).to_string();
            aws.table().answer(Some("DynamoDB_20120810.PutItem"), body.as_bytes()).status
        };
        assert_eq!((put(&slow, "2", ["1", "2"]), lost(&fast, &slow)), (200, 1));
        assert_eq!((put(&fast, "1", ["1", "2"]), lost(&fast, &slow)), (200, 1));
        assert_eq!((put(&fast, "2", ["2", "1"]), lost(&fast, &slow)), (200, 0));
    }
}
