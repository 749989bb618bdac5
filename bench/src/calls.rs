//! What a callback uses of that which AWS charges for: requests and write units, bytes that stay in the
//! table, bytes of messages, answers and log lines. Calls as they usually go are played through the functions
//! in front of a table that counts as DynamoDB does. Nothing here is a time: the figures are the same on
//! every machine.

use std::ops::Range;

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::aws::Aws;
use crate::cases::{CALLS, Call};
use crate::environments::Environments;
use crate::process::Place;
use crate::subject::Bench;
use crate::table::Usage;

/// Calls of each kind. Every figure is a mean over their callbacks.
const PLAYED: u64 = 50;
/// Calls before any that count: the first callback of an environment prints more than the others.
const WARM_UP: u64 = 2;

/// A kind of call, and what its callbacks use.
#[derive(Clone, Debug, Serialize)]
pub struct CallRow {
    pub name: &'static str,
    pub function: &'static str,
    /// Callbacks that tell the call.
    pub callbacks: usize,
    /// Environments, which have the callbacks in turns.
    pub environments: usize,
    /// For a callback.
    pub usage: Usage,
    /// What is printed when `AWS_LAMBDA_LOG_LEVEL` is `WARN`.
    pub log_bytes_at_warn: f64,
}

/// Every kind of call, with one environment, and with two where it has several callbacks.
pub fn run(bench: &Bench) -> Result<Vec<CallRow>> {
    let mut rows = Vec::new();
    for call in &CALLS {
        let callbacks = bench.cases().call(call.function, call.name)?.len();
        for environments in 1..=callbacks.min(2) {
            rows.push(CallRow {
                name: call.title,
                function: call.function,
                callbacks,
                environments,
                usage: play(bench, call, environments, "INFO")?,
                log_bytes_at_warn: play(bench, call, environments, "WARN")?.log_bytes,
            });
        }
    }
    Ok(rows)
}

fn play(bench: &Bench, call: &Call, count: usize, log_level: &str) -> Result<Usage> {
    let aws = Aws::start()?;
    let mut subject = bench.function(call.function, &aws)?;
    subject.environment.insert("AWS_LAMBDA_LOG_LEVEL", log_level.into());
    let mut environments = Environments::start(bench, &aws, &subject, count, Place::OnTheFunctionsCore)?;
    let callbacks = bench.cases().call(call.function, call.name)?;
    let mut events = |numbers: Range<u64>| {
        let events = numbers.flat_map(|number| callbacks.iter().map(move |it| it.of_call(number)));
        let status = callbacks.first().map_or(200, |callback| callback.status);
        environments.measure(&events.collect::<Result<Vec<_>>>()?, status)
    };
    let played = if bench.is_short { 3 } else { PLAYED };
    events(0..WARM_UP)?;
    let usage = events(WARM_UP..WARM_UP + played)?.figures().usage;
    ensure!(aws.trouble().is_none(), "{}: {:?}", call.title, aws.trouble());
    // The only figure of these that is another on every machine.
    Ok(Usage { cpu_us: 0.0, ..usage })
}
