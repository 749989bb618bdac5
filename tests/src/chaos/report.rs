//! The tables.

use std::process::Command;

use super::reading::ReadRow;
use super::ringing::RingRow;
use super::{Place, Row, Trial, vendors};
use crate::fault_proxy::Fault;

/// The fault as the tables name it.
pub fn fault_in_words(trial: Trial) -> &'static str {
    match (trial.place, trial.fault) {
        (Place::Functions, _) => "SIGKILL",
        (_, Fault::None) => "none",
        (_, Fault::Refuses) => "refuses",
        (_, Fault::Throttles) => "throttles",
        (_, Fault::Answers500) => "answers 500",
        (_, Fault::Hangs) => "hangs",
        (_, Fault::ResetsInMidAnswer) => "resets in mid-answer",
        (_, Fault::Flaps) => "flaps",
    }
}

/// Where it is, in the tables.
pub fn place_in_words(trial: Trial) -> &'static str {
    match (trial.place, trial.fault) {
        (Place::Functions, Fault::None) => "functions",
        (Place::Functions, _) => "functions, DynamoDB flaps",
        (_, Fault::None) => "",
        (Place::DynamoDb, _) => "DynamoDB",
        (Place::Sns, _) => "SNS",
        (Place::Both, _) => "both",
    }
}

const ANSWERS: &str = "\
| fault | where | callbacks | sent | answered 200 | refused | unanswered | slowest answer |
|---|---|---:|---:|---:|---:|---:|---:|
";

const RECORDS: &str = "\
| fault | where | spooled | records after replay | lost | doubled | push jobs twice |
|---|---|---:|---:|---:|---:|---:|
";

const RINGS: &str = "\
| fault | where | notifies | answered 200 | unanswered | rung | again | twice | not rung | lost | slowest |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|
";

const READINGS: &str = "\
| fault | where | changes | batches | failed | news | repeated | recount differs | rebuilt | news wrong |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|
";

/// What the vendors saw.
fn answers(row: &Row) -> Vec<String> {
    vec![
        row.callbacks.to_string(),
        row.sent.to_string(),
        row.answered.to_string(),
        row.refused.to_string(),
        row.unanswered.to_string(),
        format!("{:.2} s", row.slowest.as_secs_f64()),
    ]
}

/// What was kept.
fn records(row: &Row) -> Vec<String> {
    vec![
        row.spooled.to_string(),
        row.found.records.to_string(),
        row.found.lost.to_string(),
        row.found.doubled.to_string(),
        row.found.jobs_twice.to_string(),
    ]
}

fn cells(row: &Row, figures: &[String]) -> String {
    format!("| {} | {} | {} |", row.fault, row.place, figures.join(" | "))
}

/// A row of both tables in one line.
pub fn line(row: &Row) -> String {
    cells(row, &[answers(row), records(row)].concat())
}

/// A row about ringing in one line.
pub fn ring_line(row: &RingRow) -> String {
    let counts = [
        row.notifies,
        row.answered,
        row.unanswered,
        row.rung,
        row.pushed_again,
        row.rung_twice,
        row.not_rung,
        row.removed,
    ];
    let counts = counts.map(|count| count.to_string()).join(" | ");
    format!("| {} | {} | {counts} | {:.2} s |", row.fault, row.place, row.slowest.as_secs_f64())
}

/// The table about ringing.
pub fn ring_table(rows: &[RingRow]) -> String {
    rows.iter().fold(RINGS.to_owned(), |table, row| table + &ring_line(row) + "\n")
}

/// A row about readers in one line.
pub fn read_line(row: &ReadRow) -> String {
    let counts = [
        row.changes,
        row.batches,
        row.failed,
        row.news,
        row.repeated,
        row.differences,
        row.rebuilt,
        row.wrong_news,
    ];
    let counts = counts.map(|count| count.to_string()).join(" | ");
    format!("| {} | {} | {counts} |", row.fault, row.place)
}

/// The table about readers.
pub fn read_table(rows: &[ReadRow]) -> String {
    rows.iter().fold(READINGS.to_owned(), |table, row| table + &read_line(row) + "\n")
}

/// The two tables of a run.
pub fn tables(rows: &[Row]) -> String {
    let table = |head: &str, figures: fn(&Row) -> Vec<String>| {
        rows.iter().fold(head.to_owned(), |table, row| table + &cells(row, &figures(row)) + "\n")
    };
    format!("{}\n{}", table(ANSWERS, answers), table(RECORDS, records))
}

/// The tables with what a reader needs to know about them.
pub fn page(rows: &[Row], rings: &[RingRow], reads: &[ReadRow], command: &str) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let callbacks: usize = rows.iter().map(|row| row.callbacks).sum();
    let date = today();
    let tables = tables(rows);
    let ring_table = ring_table(rings);
    let read_table = read_table(reads);
    let haste = vendors::HASTE;
    format!(
        "# What becomes of callbacks when AWS fails or functions are killed

Written by `{command}` (`make chaos`) on {date},
on a machine with {cores} cores: {callbacks} callbacks to the built functions (debug build). A proxy in
front of emulated AWS makes the faults. Each fault lasts for the whole of its row.

The first table is what the vendors saw, the second what was kept.

{tables}
* **callbacks**: one-to-one calls, rooms and server calls of LINE, calls of both generations of Tencent with
  several callbacks each, and notifies, in any order and several at once. LINE sends each once. Tencent sends
  again, up to six times, until the answer is 200 with `ErrorCode` 0; here {haste} times as fast as its 0, 1,
  1, 2, 3 and 5 s.
* **sent**: deliveries, with Tencent's repeats. The vendor knows that a callback was **refused** (503), so
  nothing is promised for it, nor for one that stayed **unanswered** because its function was killed.
* **slowest answer**: from the event to the response. At most 2 s are allowed.
* **spooled**: messages that waited in the spool. After the fault they go to `replay`, in batches as from SQS.
  Where DynamoDB throttles, four batches go to it before that, and must come back. In the rows of SIGKILL,
  `replay` is killed too.
* **records after replay**: event items in the table. A callback that was not answered 200 may have one.
* **lost**: callbacks answered 200 without an event item or push job, and calls whose item lacks something
  that its callbacks said. **doubled**: event items beyond one for each callback. Both must be 0.
* **push jobs twice**: SNS accepted a push job but its answer was lost, so the function published again. A
  phone that rings for a session already rings once.

## Whether phones ring

Here notify rings the phones itself, through stand-ins of APNs and FCM. Each callee has an iPhone and an
Android phone. A call must ring both, or LINE must learn that it failed.

{ring_table}
* **notifies**: deliveries, with the repeats that a row names. In all rows several calls come at once, except
  in that of the freeze.
* **rung**: phones whose push a provider took, counted once for each call. Where a provider does not
  answer, it has taken the push.
* **again**: a phone got a push for the same call again, because the first answer or the function was
  lost. Both pushes name the call by the same `call_uuid` and `sid`, so the phone rings once.
* **twice**: a phone got another push although the answer to its first one came, or the second push named
  another call. **not rung**: phones that did not ring for a call answered 200. **lost**: devices that
  are no longer registered and were not dead. All three must be 0.
* **unanswered**: the function was killed. LINE sends again after 3 s, and then each phone must have rung.

## What readers see

Here the stream of the records goes to project, in batches that are cut at random. For the first half of the
stream something is wrong. A batch that fails comes again, as from Lambda.

{read_table}
* **changes**: records of the stream. **failed**: batches that project reported as failed, or in which it was
  killed.
* **news**: messages on the topic `Calls`. **repeated**: messages with the id of an earlier one, because an
  answer or the function was lost.
* **recount differs**: hours whose figures are not those of the calls in the lists. **rebuilt**: rows that a
  rebuild from the records had to change. **news wrong**: news that are missing, or that one clean pass would
  not have. All three must be 0.
"
    )
}

/// In UTC.
fn today() -> String {
    let output = Command::new("date").args(["-u", "+%F"]).output();
    output.map_or_else(
        |error| error.to_string(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
