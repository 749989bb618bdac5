//! What `make run` shows of the reading side: live calls, a user's history, the day's figures, the page.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use aws_smithy_types::date_time::{DateTime, Format};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ringback_tests::http;
use ringback_tests::stack::built;
use serde_json::Value;

use crate::emulator::REGION;
use crate::error::StackError;
use crate::processes::{Processes, command, free_port};
use crate::show::clean;
use crate::signature;
use crate::stack::Stack;

/// The user whose history is shown: the stories call him.
const USER: (&str, &str) = ("planetkit", "bob");
const CONSOLE_PORT: u16 = 8090;
const PATIENCE: Duration = Duration::from_secs(10);
pub(crate) const TO_CATCH_UP: Duration = Duration::from_secs(60);

/// Starts the page, and returns its address.
pub(crate) fn start_console(stack: &Stack, processes: &Processes) -> Result<String, StackError> {
    let is_free = std::net::TcpListener::bind(("127.0.0.1", CONSOLE_PORT)).is_ok();
    let port = if is_free { CONSOLE_PORT } else { free_port()? };
    let mut console = command(built("ringback"));
    console.args(["console", "--port", &port.to_string()]);
    console.env("RINGBACK_STACK_ENV", stack.settings.env_file());
    let log = stack.settings.folder.join("console.log");
    processes.start_server("the console", &mut console, port, &log)?;
    Ok(format!("http://127.0.0.1:{port}/"))
}

/// What the reading side knows after the stories.
pub(crate) fn lines(stack: &Stack) -> Result<Vec<String>, StackError> {
    let (service, user) = USER;
    let live = ask(stack, "/rooms/live")?;
    let calls = ask(stack, &format!("/users/{service}/{user}/calls?limit=100"))?;
    // The stories have times of their own.
    let newest = calls.pointer("/calls/0/at").and_then(Value::as_i64).map(|at| at / 1_000);
    let newest = newest.unwrap_or_else(|| DateTime::from(SystemTime::now()).secs());
    let day = 86_400;
    let [from, to] = [newest - 29 * day, newest + day].map(|at| {
        let text = DateTime::from_secs(at).fmt(Format::DateTime).unwrap_or_default();
        utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string()
    });
    let stats = ask(stack, &format!("/stats?by=day&from={from}&to={to}"))?;
    while stack.running.next_line("history").is_some() {}
    Ok(written(&live, user, &calls, &stats))
}

fn written(live: &Value, user: &str, calls: &Value, stats: &Value) -> Vec<String> {
    let list =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let rooms = list(live, "rooms");
    let silent = rooms.iter().filter(|room| room.get("stale") == Some(&Value::Bool(true))).count();
    // One of each kind tells most.
    let mut calls: Vec<String> = list(calls, "calls").iter().map(history_line).collect();
    let mut known = BTreeSet::new();
    calls.retain(|line| known.insert(line.split_whitespace().next().map(str::to_owned)));
    let mut days: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for figures in list(stats, "figures") {
        let day = figures.get("day").and_then(Value::as_str).unwrap_or_default().to_owned();
        days.entry(day).or_default().push(figures);
    }
    let calls_of =
        |day: &[Value]| day.iter().filter_map(|figures| figures.get("calls")?.as_u64()).sum::<u64>();
    let (day, figures) = days.into_iter().max_by_key(|(_, day)| calls_of(day)).unwrap_or_default();
    let sum = |name: &str| figures.iter().filter_map(|day| day.get(name)?.as_f64()).sum::<f64>();
    let outcome =
        |word: &str| figures.iter().filter_map(|day| day.get("outcomes")?.get(word)?.as_u64()).sum::<u64>();
    vec![
        format!("  live now         {} calls go on, {silent} of them silent for long", rooms.len()),
        format!("  {user}'s history    {}", calls.join("; ")),
        format!(
            "  {day}       {} calls: {} answered, {} missed, {:.0} minutes of talk",
            sum("calls"),
            outcome("answered"),
            outcome("missed"),
            sum("talk_minutes")
        ),
    ]
}

/// One call as its user sees it.
fn history_line(call: &Value) -> String {
    let text = |name: &str| call.get(name).and_then(Value::as_str).unwrap_or_default();
    let with = call.pointer("/with/0/user_id").or(call.pointer("/room/id")).and_then(Value::as_str);
    let with = clean(with.unwrap_or("?"));
    let talked = call.get("talk_s").and_then(Value::as_u64).filter(|seconds| *seconds > 0);
    let talked = talked.map(|seconds| format!(", talked {seconds} s")).unwrap_or_default();
    match (call.get("missed") == Some(&Value::Bool(true)), text("direction")) {
        (true, _) => format!("missed {with}"),
        (false, "in") => format!("{} {with}{talked}", text("outcome")),
        (false, "out") => format!("called {with}{talked}"),
        (false, _) => format!("joined {with}{talked}"),
    }
}

/// A signed request to the history.
fn ask(stack: &Stack, target: &str) -> Result<Value, StackError> {
    let url = stack.settings.url();
    let wrong = |why: &str| StackError::new(format!("the history does not answer {target}: {why}"));
    let signed = signature::signed("GET", &format!("{url}{target}"), b"", REGION);
    let signed = signed.ok_or_else(|| wrong("the request cannot be signed"))?;
    let headers: Vec<_> = signed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer = http::exchange(url.trim_start_matches("http://"), "GET", target, &headers, b"", PATIENCE)?;
    if answer.status == 200 {
        serde_json::from_str(&answer.body).map_err(|error| wrong(&error.to_string()))
    } else {
        Err(wrong(&answer.body))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_reading_side_is_told_in_three_lines() {
        let live = json!({ "rooms": [{ "stale": true }, { "stale": false }] });
        let calls = json!({ "calls": [
            { "direction": "in", "missed": true, "outcome": "missed", "with": [{ "user_id": "alice" }] },
            { "direction": "in", "missed": false, "outcome": "answered", "talk_s": 42,
              "with": [{ "user_id": "al\u{1b}ice" }] },
            { "direction": "joined", "missed": false, "room": { "id": "stand-up" } },
        ] });
        let stats = json!({ "figures": [
            { "day": "2026-11-27", "calls": 3, "talk_minutes": 1.5,
              "outcomes": { "answered": 2, "missed": 1 } },
            { "day": "2026-11-27", "calls": 1, "talk_minutes": 0.0, "outcomes": { "open": 1 } },
            { "day": "2026-11-28", "calls": 2, "talk_minutes": 9.0, "outcomes": { "answered": 2 } },
        ] });
        assert_eq!(
            written(&live, "bob", &calls, &stats),
            [
                "  live now         2 calls go on, 1 of them silent for long",
                "  bob's history    missed alice; answered al?ice, talked 42 s; joined stand-up",
                "  2026-11-27       4 calls: 2 answered, 1 missed, 2 minutes of talk",
            ]
        );
    }
}
