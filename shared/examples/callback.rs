//! What becomes of a callback: `cargo run --package ringback --example callback --
//! events/call-event/answered-call.json`
//!
//! Sends an API Gateway event through the real handler, with the table and the topics in memory,
//! and prints the answer, what was stored or published, and the log line. No AWS, no emulator.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::process::ExitCode;

use ringback::door::callback::Callback;
use ringback::lambda::handler::{Handler, Notifier};
use ringback::lambda::http::{Answer, GatewayEvent, answer};
use ringback::lambda::logging::{Log, LogControls};
use ringback::lambda::metrics::Namespace;
use ringback::lambda::request_line::{RequestContext, request_line};
use ringback::line;
use ringback::testing::{ARRIVAL, MemoryTable, MemoryTopic, block_on, environment, recorder};
use serde_json::Value;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("which event? For example: events/call-event/answered-call.json");
        return ExitCode::FAILURE;
    };
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let event: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    let path = event["rawPath"].as_str().unwrap_or_default();
    let (table, topic) = (MemoryTable::default(), MemoryTopic::default());
    let log = match Callback::ALL.into_iter().find(|callback| path.ends_with(callback.route.path)) {
        Some(callback) => play(&recorder(callback, &table, &topic), &event),
        None => play(&Notifier::new(environment().gate(&line::NOTIFY).unwrap(), &topic), &event),
    };
    for item in table.items().values() {
        println!("\nitem {}\n{}", item.attributes()["record"], pretty(&item.attributes().clone().into()));
    }
    for job in topic.bodies() {
        println!("\npush job\n{}", pretty(&serde_json::from_str(&job).unwrap()));
    }
    println!("\nlog\n{log}");
    ExitCode::SUCCESS
}

/// Handles the event, prints the answer, and returns the log line.
fn play(handler: &impl Handler, event: &Value) -> String {
    let event: GatewayEvent = serde_json::from_value(event.clone()).unwrap();
    let details = block_on(handler.handle(event.into(), ARRIVAL));
    let route = handler.gate().route();
    let Answer { status, body, .. } = answer(route, &details.outcome);
    println!("answer\n{status} {}", body.unwrap_or_default());
    let context = RequestContext { took: std::time::Duration::ZERO, cold: false, status, trace: None };
    let log = Log::new(LogControls::parse(None, None), Namespace::default());
    log.lines("callback", details.outcome.level(), request_line(route, &details, &context), ARRIVAL)
        .join("\n")
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}
