//! Real callbacks through the real handler, with the table in memory.

use ringback::handler::{Recorded, Recorder};
use ringback::spool::Spool;
use ringback::store::{PutCall, PutEvent};
use ringback::testing::{self, DeadTopic, MemoryTable, environment};
use serde_json::json;

fn recorder<S: PutEvent + PutCall, P: Spool>(store: S, spool: P) -> Recorder<S, P> {
    Recorder::into(store, spool, Recorded::AGENT_CALL_STATUS, &environment()).unwrap()
}

#[test]
fn every_sample_event_becomes_what_is_expected_of_it() {
    testing::play_recorder_samples("agent-call-status", |table| recorder(table, DeadTopic));
}

#[test]
fn a_failed_attempt_ends_the_call_as_failed() {
    let table = MemoryTable::default();
    let handler = recorder(&table, DeadTopic);
    let path = format!("/{}/line/agent_call_status", testing::TOKEN);
    testing::send(&handler, "GET", &path, "sid=a&result=FAIL&fail_reason=Invalid%20peerId", "");
    let call = table.call();
    assert_eq!((&call["status"], &call["outcome"]), (&json!("ended"), &json!("failed")));
    assert_eq!(call["reason"]["fail_reason"], "Invalid peerId");
}
