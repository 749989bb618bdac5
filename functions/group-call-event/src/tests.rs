//! Real callbacks through the real handler, with the table in memory.

use ringback::handler::{Recorded, Recorder};
use ringback::spool::Spool;
use ringback::store::{PutCall, PutEvent};
use ringback::testing::{self, DeadTopic, MemoryTable, environment};
use serde_json::json;

fn recorder<S: PutEvent + PutCall, P: Spool>(store: S, spool: P) -> Recorder<S, P> {
    Recorder::into(store, spool, Recorded::GROUP_CALL_EVENT, &environment()).unwrap()
}

#[test]
fn every_sample_event_becomes_what_is_expected_of_it() {
    testing::play_recorder_samples("group-call-event", |table| recorder(table, DeadTopic));
}

#[test]
fn a_room_ends_in_the_same_state_whatever_the_order_of_its_events() {
    testing::play_in_any_order("group-call-event", "standup-", |table| recorder(table, DeadTopic));
}

#[test]
fn a_late_join_does_not_reopen_an_ended_room() {
    let table = MemoryTable::default();
    let handler = recorder(&table, DeadTopic);
    testing::play(&handler, "group-call-event", &["standup-7-room-ends", "standup-2-second-participant-joins"]);
    let call = table.call();
    assert_eq!((&call["status"], &call["online"]), (&json!("ended"), &json!(0)));
}

#[test]
fn what_the_newest_event_leaves_out_is_kept_from_an_older_one() {
    let table = MemoryTable::default();
    let handler = recorder(&table, DeadTopic);
    let path = format!("/{}/line/gcall_event", testing::TOKEN);
    for query in ["sid=r&sc=C&ts=1793600000001&media_type=V&online=4", "sid=r&sc=C&ts=1793600000009&online=5"] {
        testing::send(&handler, "GET", &path, query, "");
    }
    let call = table.call();
    assert_eq!((&call["media"], &call["online"]), (&json!("video"), &json!(5)));
}
