//! A short run of `chaos` (docs/chaos.md): every fault, a few dozen callbacks each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ringback_tests::chaos::reading::{ReadHarness, all_trials};
use ringback_tests::chaos::{Harness, Place, Row, Sending, Trial};
use ringback_tests::fault_proxy::Fault;

const FAULTS: [Fault; 6] = [
    Fault::Refuses,
    Fault::Throttles,
    Fault::Answers500,
    Fault::Hangs,
    Fault::ResetsInMidAnswer,
    Fault::Flaps,
];

/// One trial at a time, since the time of the answers is measured.
static TURN: Mutex<()> = Mutex::new(());

fn sending() -> Sending {
    Sending {
        instances: vec![
            ("notify", 2),
            ("call-event", 2),
            ("group-call-event", 4),
            ("agent-call-status", 1),
            ("tencent-call-event", 4),
        ],
        repeats: 1,
        deadline: Duration::from_secs(30),
    }
}

/// Nothing is lost or doubled, and no answer takes longer than 2 s.
fn run(faults: &[Fault], place: Place) -> Vec<Row> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let harness = Harness::new(sending());
    let rows: Vec<Row> = faults.iter().map(|fault| harness.run(Trial { fault: *fault, place }, 30)).collect();
    for row in &rows {
        assert!(row.is_right(), "{row:#?}");
    }
    rows
}

#[test]
fn without_a_fault_every_callback_is_taken_and_on_record() {
    for row in run(&[Fault::None], Place::Both) {
        assert_eq!((row.answered, row.spooled, row.found.jobs_twice), (row.callbacks, 0, 0), "{row:#?}");
    }
}

#[test]
fn whatever_is_wrong_with_dynamodb_every_callback_is_taken_and_on_record_in_the_end() {
    for row in run(&FAULTS, Place::DynamoDb) {
        assert_eq!(row.answered, row.callbacks, "{row:#?}");
        assert!(row.spooled > 0 || row.fault == "flaps", "{row:#?}");
    }
}

#[test]
fn whatever_is_wrong_with_sns_no_record_is_lost() {
    for row in run(&FAULTS, Place::Sns) {
        assert!(row.refused > 0 || row.fault == "flaps", "no vendor saw a failure: {row:#?}");
    }
}

#[test]
fn whatever_is_wrong_with_both_nothing_is_lost_that_was_taken() {
    run(&[Fault::Throttles, Fault::Hangs, Fault::ResetsInMidAnswer], Place::Both);
}

#[test]
fn a_function_that_is_killed_in_the_middle_of_a_request_does_no_harm() {
    run(&[Fault::None, Fault::Flaps], Place::Functions);
}

#[test]
fn whatever_is_wrong_with_project_readers_see_one_clean_pass() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let harness = ReadHarness::new(sending());
    for trial in all_trials() {
        let row = harness.run(trial, 40);
        assert!(row.is_right(), "{row:#?}");
    }
}
