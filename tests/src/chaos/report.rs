//! The table.

use std::process::Command;

use super::{Place, Row, Trial, vendors};
use crate::fault_proxy::Fault;

/// The fault as the table names it.
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

/// Where it is, as the table says it.
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

const HEAD: &str = "\
| fault | where | callbacks | sent | answered 200 | refused | unanswered | slowest answer | spooled | records after replay | lost | doubled | push jobs twice |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
";

/// A row of the table.
pub fn line(row: &Row) -> String {
    let cells = [
        row.fault.to_owned(),
        row.place.to_owned(),
        row.callbacks.to_string(),
        row.sent.to_string(),
        row.answered.to_string(),
        row.refused.to_string(),
        row.unanswered.to_string(),
        format!("{:.2} s", row.slowest.as_secs_f64()),
        row.spooled.to_string(),
        row.found.records.to_string(),
        row.found.lost.to_string(),
        row.found.doubled.to_string(),
        row.found.jobs_twice.to_string(),
    ];
    format!("| {} |", cells.join(" | "))
}

/// The table of a run.
pub fn table(rows: &[Row]) -> String {
    rows.iter().fold(HEAD.to_owned(), |table, row| table + &line(row) + "\n")
}

/// The table with what a reader needs to know about it.
pub fn page(rows: &[Row], command: &str) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let callbacks: usize = rows.iter().map(|row| row.callbacks).sum();
    let date = today();
    let table = table(rows);
    let haste = vendors::HASTE;
    format!(
        "# What becomes of callbacks when AWS fails or functions are killed

Written by `{command}` (`make chaos`) on {date}, on a machine with {cores} cores: {callbacks} callbacks to the built functions (debug build) with emulated AWS
behind a proxy that makes the faults. The fault lasts for the whole of its row.

{table}
* **callbacks**: one-to-one calls, rooms and server's calls of LINE's, calls of both generations of Tencent's told by several callbacks each, and notifies; in any order and
  several at once. LINE sends each once. Tencent sends again, up to six times, until it is answered 200 with `ErrorCode` 0; here {haste} times as fast as its 0, 1, 1, 2, 3 and 5 s.
* **sent**: deliveries, Tencent's repeats among them. What is **refused** (503), the vendor knows about; nothing is promised for it, nor for what is
  **unanswered** because its function was killed.
* **slowest answer**: from the event to the response. No more than 2 s is allowed.
* **spooled**: messages that waited in the spool. Once the fault is mended they go to `replay`, in batches as from SQS; where DynamoDB throttles, four batches go
  to it before that, and must come back. In the rows of SIGKILL, `replay` is killed too.
* **records after replay**: event items in the table. A callback that was not answered 200 may have one.
* **lost**: callbacks answered 200 without an event item or push job, and calls whose item does not say what its callbacks told. **doubled**: event items beyond one for
  each callback. Both must be 0.
* **push jobs twice**: SNS took a push job and its answer was lost, so that it was published again. A phone that rings for a session already rings once.
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
