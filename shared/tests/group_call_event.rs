//! Sample callbacks through the handler, with the table in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use ringback::lambda::handler::Handler;
use ringback::line::group_call_event::CALLBACK;
use ringback::testing::{self, DeadTopic, MemoryTable, recorder};
use serde_json::json;

fn event(participant: usize) -> String {
    format!("sid=r&sc=C&ts={}&online=1&user_id=user-{participant}", 1_793_600_000_001_usize + participant)
}

fn send_event(handler: &impl Handler, participant: usize) {
    let path = format!("/{}/line/gcall_event", testing::TOKEN);
    testing::send(handler, "GET", &path, &event(participant), "");
}

#[test]
fn every_event_of_a_room_puts_the_call_once_where_one_environment_sees_them_all() {
    let table = MemoryTable::default();
    let handler = recorder(CALLBACK, &table, DeadTopic);
    for participant in 0..200 {
        send_event(&handler, participant);
    }
    assert_eq!((table.call_puts(), table.events().len()), (200, 200));
}

#[test]
fn an_environment_that_others_have_overtaken_puts_the_call_twice() {
    let table = MemoryTable::default();
    let (one, other) = (recorder(CALLBACK, &table, DeadTopic), recorder(CALLBACK, &table, DeadTopic));
    send_event(&one, 1);
    send_event(&other, 2);
    let before = table.call_puts();
    send_event(&one, 3);
    assert_eq!(table.call_puts() - before, 2);
}

#[test]
fn a_call_that_was_deleted_is_written_again_by_who_remembers_it() {
    let table = MemoryTable::default();
    let handler = recorder(CALLBACK, &table, DeadTopic);
    send_event(&handler, 1);
    table.clear();
    send_event(&handler, 2);
    assert_eq!(table.call()["last_event_at"], json!(1_793_600_000_003_u64));
}

#[test]
fn a_repeat_writes_a_call_again_that_was_deleted_since() {
    let table = MemoryTable::default();
    let handler = recorder(CALLBACK, &table, DeadTopic);
    send_event(&handler, 1);
    table.clear();
    send_event(&handler, 1);
    assert_eq!(table.call()["last_event_at"], json!(1_793_600_000_002_u64));
}
