//! `chaos --callbacks 1000 --out docs/chaos.md`: every fault, and tables of what became of the callbacks.
//!
//! It runs on a local stack: `ringback-local exec -- cargo run --package ringback-tests --bin chaos`.
//! `--only WORD` runs the trials whose row has the word.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::process::ExitCode;
use std::time::Duration;

use ringback_tests::chaos::reading::{self, ReadHarness, ReadRow, ReadTrial};
use ringback_tests::chaos::ringing::{self, RingHarness, RingRow, RingTrial};
use ringback_tests::chaos::{self, Harness, Sending, report};

/// Calls in a trial about ringing.
const CALLS: usize = 40;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (mut callbacks, mut out, mut only) = (1_000, None, String::new());
    for pair in arguments.chunks(2) {
        match pair {
            [name, value] if name == "--callbacks" => {
                callbacks = value.parse().expect("a number of callbacks")
            }
            [name, value] if name == "--out" => out = Some(value.clone()),
            [name, value] if name == "--only" => only.clone_from(value),
            _ => {
                eprintln!("chaos [--callbacks NUMBER] [--out FILE] [--only WORD]");
                return ExitCode::from(2);
            }
        }
    }
    let sending = Sending {
        // As many as two cores can serve without the faults' time-outs becoming the machine's.
        instances: vec![
            ("notify", 3),
            ("call-event", 4),
            ("group-call-event", 5),
            ("agent-call-status", 1),
            ("tencent-call-event", 6),
        ],
        repeats: 6,
        deadline: Duration::from_secs(300),
    };
    let harness = Harness::new(sending.clone());
    let wanted = |trial: &chaos::Trial| {
        format!("{} {}", report::fault_in_words(*trial), report::place_in_words(*trial)).contains(&only)
    };
    let trials: Vec<chaos::Trial> = chaos::all_trials().into_iter().filter(wanted).collect();
    let rows = harness.run_all(&trials, callbacks);
    let wanted = |trial: &RingTrial| format!("{} {}", trial.fault, trial.place).contains(&only);
    let trials: Vec<RingTrial> = ringing::all_trials().into_iter().filter(wanted).collect();
    let rings = RingHarness::new().run_all(&trials, CALLS);
    let wanted = |trial: &ReadTrial| format!("{} {}", trial.fault, trial.place).contains(&only);
    let trials: Vec<ReadTrial> = reading::all_trials().into_iter().filter(wanted).collect();
    let reads = ReadHarness::new(sending).run_all(&trials, callbacks);
    println!("{}\n{}\n{}", report::tables(&rows), report::ring_table(&rings), report::read_table(&reads));
    if let Some(path) = out {
        std::fs::write(path, report::page(&rows, &rings, &reads, &format!("chaos {}", arguments.join(" "))))
            .expect("the page can be written");
    }
    let is_right = rows.iter().all(chaos::Row::is_right)
        && rings.iter().all(RingRow::is_right)
        && reads.iter().all(ReadRow::is_right);
    if is_right && !(rows.is_empty() && rings.is_empty() && reads.is_empty()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
