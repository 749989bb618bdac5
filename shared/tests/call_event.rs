//! Sample callbacks through the handler, with the table in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use ringback::door::request::Unverified;
use ringback::lambda::{handler::Handler, http::status, outcome::CallbackOutcome};
use ringback::line::call_event::CALLBACK;
use ringback::testing::{self, ARRIVAL, DeadTable, DeadTopic, MemoryTable, MemoryTopic, block_on, recorder};

fn call_event(query: &str) -> Unverified {
    let path = format!("/{}/line/call_event", testing::TOKEN);
    Unverified::new("GET".into(), path, query.into(), String::new())
}

#[test]
fn the_same_callback_twice_is_one_event_and_one_call_that_stays_as_it_was() {
    let table = MemoryTable::default();
    let handler = recorder(CALLBACK, &table, DeadTopic);
    let send = |query| block_on(handler.handle(call_event(query), ARRIVAL)).outcome;
    assert!(matches!(send("sid=a&duration=3&start_time=1793600000"), CallbackOutcome::Recorded));
    let first = table.items();
    assert!(matches!(send("start_time=1793600000&sid=a&duration=3"), CallbackOutcome::Duplicate));
    assert_eq!(table.items(), first);
}

#[test]
fn a_record_that_cannot_be_stored_waits_in_the_spool_and_is_answered_with_200() {
    let spool = MemoryTopic::default();
    let handler = recorder(CALLBACK, DeadTable, &spool);
    let handled = block_on(handler.handle(call_event("sid=a"), ARRIVAL));
    assert!(matches!(handled.outcome, CallbackOutcome::Deferred(_)));
    assert_eq!((status(&handled.outcome), spool.bodies().len()), (200, 1));
}

#[test]
fn a_callback_that_can_be_neither_stored_nor_spooled_is_not_answered_with_200() {
    let handler = recorder(CALLBACK, DeadTable, DeadTopic);
    let handled = block_on(handler.handle(call_event("sid=a"), ARRIVAL));
    assert_eq!(status(&handled.outcome), 503);
}

#[test]
fn a_secret_that_does_not_belong_here_is_in_no_record() {
    let table = MemoryTable::default();
    let handler = recorder(CALLBACK, &table, DeadTopic);
    block_on(handler.handle(call_event("sid=a&param=c2VjcmV0&cc_param=c2VjcmV0"), ARRIVAL));
    let everything = format!("{:?} {:?}", table.call(), table.events());
    assert!(!everything.contains("c2VjcmV0"), "{everything}");
}
