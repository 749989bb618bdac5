//! Sample callbacks through the handler, with the table in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use ringback::line::agent_call_status::CALLBACK;
use ringback::testing::{self, DeadTopic, MemoryTable, recorder};
use serde_json::json;

#[test]
fn a_failed_attempt_ends_the_call_as_failed() {
    let table = MemoryTable::default();
    let handler = recorder(CALLBACK, &table, DeadTopic);
    let path = format!("/{}/line/agent_call_status", testing::TOKEN);
    testing::send(&handler, "GET", &path, "sid=a&result=FAIL&fail_reason=Invalid%20peerId", "");
    let call = table.call();
    assert_eq!((&call["status"], &call["outcome"]), (&json!("ended"), &json!("failed")));
    assert_eq!(call["reason"]["fail_reason"], "Invalid peerId");
}
