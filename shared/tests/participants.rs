//! What became of each person of a Tencent group call, told by several devices, late, twice and in any order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use fastrand::Rng;
use ringback::call::CallFacts;
use ringback::call::model::{Outcome, Personal};
use ringback::history::call::StoredCall;
use ringback::history::news::{What, of_call};
use ringback::history::row::{EndedBy, UserRow};
use ringback::history::rows::{Layout, Row, rows};
use ringback::tencent::CALLBACK;
use ringback::testing::{self, DeadTopic, MemoryTable, recorder};
use serde_json::{Value, json};

const BEGINNING: u64 = 1_793_600_000_000;

/// The call's item after these callbacks.
fn item<'a>(bodies: impl IntoIterator<Item = &'a Value>) -> Value {
    let table = MemoryTable::default();
    let handler = recorder(CALLBACK, &table, DeadTopic);
    let path = format!("/{}/tencent/call_event", testing::TOKEN);
    for body in bodies {
        testing::send(&handler, "POST", &path, "sdkappid=8888888", &body.to_string());
    }
    json!(table.call())
}

/// What the call's item tells of each person, after these callbacks.
fn outcomes<'a>(bodies: impl IntoIterator<Item = &'a Value>) -> BTreeMap<String, Option<Outcome>> {
    let facts: CallFacts = serde_json::from_str(item(bodies)["facts"].as_str().unwrap()).unwrap();
    let participants = facts.participants().into_iter();
    let user = |id: Option<Personal>| id.unwrap().reveal().to_owned();
    participants.map(|it| (user(it.person.user_id), it.outcome)).collect()
}

fn expected(outcomes: &[(&str, Outcome)]) -> BTreeMap<String, Option<Outcome>> {
    outcomes.iter().map(|(user, outcome)| ((*user).to_owned(), Some(*outcome))).collect()
}

fn whatever_the_order(bodies: &[Value], expected: &BTreeMap<String, Option<Outcome>>) {
    assert_eq!(outcomes(bodies), *expected);
    for seed in 0..50 {
        let mut random = Rng::with_seed(seed);
        let mut some_twice: Vec<&Value> = bodies.iter().collect();
        some_twice.extend(random.choose_multiple(bodies, bodies.len() / 2));
        random.shuffle(&mut some_twice);
        assert_eq!(outcomes(some_twice), *expected, "seed {seed}");
    }
}

/// An event of the older generation, from one device.
fn device(user: &str, role: &str, event: &str, second: u64) -> Value {
    json!({
        "CallId": "c", "CallType": "groupCall", "UserId": user, "Role": role, "Event": event,
        "EventTime": BEGINNING + second * 1_000,
    })
}

#[test]
fn each_callee_of_a_group_has_an_outcome_of_their_own() {
    let callee = |user, event, second| device(user, "callee", event, second);
    let bodies = [
        device("alice", "caller", "start_call", 0),
        // bob has two devices, and so has carol.
        callee("bob", "receive_call", 1),
        callee("bob", "receive_call", 1),
        callee("carol", "receive_call", 1),
        callee("bob", "accept_call", 5),
        callee("bob", "call_canceled", 6),
        callee("carol", "reject_call", 7),
        callee("carol", "not_answer_call", 31),
        callee("dave", "not_answer_call", 30),
        callee("erin", "ignore_call", 2),
        callee("frank", "call_canceled", 20),
        // The callback about grace's answer was lost.
        callee("grace", "call_end", 55),
        callee("bob", "call_end", 59),
        device("alice", "caller", "call_end", 60),
    ];
    whatever_the_order(
        &bodies,
        &expected(&[
            ("alice", Outcome::Answered),
            ("bob", Outcome::Answered),
            ("carol", Outcome::Rejected),
            ("dave", Outcome::Missed),
            ("erin", Outcome::Busy),
            ("frank", Outcome::Canceled),
            ("grace", Outcome::Answered),
        ]),
    );
}

/// Tencent's servers of the current generation: Alice calls a group.
fn started(callees: &[&str]) -> Value {
    let callees = callees.iter().map(|user| json!({ "User_Account": user, "Status": "Waiting" }));
    let alice = json!({ "User_Account": "alice", "Status": "Calling" });
    let users: Vec<Value> = [alice].into_iter().chain(callees).collect();
    json!({ "CallInfo": { "CallId": "c", "CallType": "group" }, "UserList": users, "EventTime": BEGINNING })
}

/// One of the people does something, so many milliseconds later.
fn changed(user: &str, action: &str, milliseconds: u64) -> Value {
    json!({
        "CallInfo": { "CallId": "c", "CallType": "group" }, "UserList": [],
        "ChangedUserList": [{ "User_Account": user, "ActionType": action }],
        "EventTime": BEGINNING + milliseconds,
    })
}

/// The call is over. The times are whole seconds; without an answer `accepted` is 0.
fn ended(callees: &[&str], accepted: u64, second: u64, result: &str) -> Value {
    let accepted = if accepted > 0 { BEGINNING / 1_000 + accepted } else { 0 };
    json!({
        "CallRecord": {
            "CallId": "c", "CallType": "group", "Caller_Account": "alice", "CalleeList_Account": callees,
            "StartTime": BEGINNING / 1_000, "AcceptTime": accepted,
            "EndTime": BEGINNING / 1_000 + second, "CallResult": result,
        },
    })
}

/// Callbacks of the current generation, from Tencent's servers.
fn server() -> [Value; 6] {
    let callees = ["bob", "carol", "dave", "frank"];
    [
        started(&callees),
        changed("bob", "Accept", 4_000),
        changed("carol", "Reject", 6_000),
        changed("frank", "Canncel_Invite", 8_000),
        changed("dave", "NotAnswer", 30_000),
        ended(&callees, 4, 60, "NormalEnd"),
    ]
}

#[test]
fn tencents_servers_tell_the_outcome_of_each_callee_too() {
    whatever_the_order(
        &server(),
        &expected(&[
            ("alice", Outcome::Answered),
            ("bob", Outcome::Answered),
            ("carol", Outcome::Rejected),
            ("dave", Outcome::Missed),
            ("frank", Outcome::Canceled),
        ]),
    );
}

#[test]
fn while_a_callee_rings_the_call_is_open_for_them_alone() {
    let bodies = server();
    let mut open = expected(&[
        ("alice", Outcome::Answered),
        ("bob", Outcome::Answered),
        ("carol", Outcome::Rejected),
        ("frank", Outcome::Canceled),
    ]);
    open.insert("dave".to_owned(), None);
    assert_eq!(outcomes(&bodies[..4]), open);
}

#[test]
fn who_did_nothing_missed_the_call_whatever_another_callee_said() {
    let callees = ["bob", "carol", "dave"];
    let bodies = [
        started(&callees),
        changed("carol", "Canncel_Invite", 5_000),
        changed("bob", "Reject", 6_000),
        ended(&callees, 0, 6, "Reject"),
    ];
    let outcomes = outcomes(&bodies);
    let of = |user: &str| outcomes[user];
    assert_eq!(of("bob"), Some(Outcome::Rejected));
    assert_eq!(of("carol"), Some(Outcome::Canceled));
    assert_eq!(of("dave"), Some(Outcome::Missed));
}

/// The rows of the people of a call, by user.
fn rows_of(bodies: &[Value]) -> BTreeMap<String, UserRow> {
    let call: StoredCall = serde_json::from_value(item(bodies)).unwrap();
    let rows = rows(&call, &Layout::default()).into_iter();
    let of_users = rows.filter_map(|((partition, _), row)| match row {
        Row::User(row) => Some((partition.rsplit('#').next()?.to_owned(), *row)),
        Row::Call(_) => None,
    });
    of_users.collect()
}

#[test]
fn who_leaves_a_group_last_ended_it_though_its_end_is_told_in_whole_seconds() {
    let bodies = [
        started(&["bob", "carol"]),
        changed("bob", "Accept", 4_000),
        changed("carol", "Accept", 5_000),
        changed("carol", "Hangup", 20_250),
        changed("bob", "Hangup", 59_871),
        ended(&["bob", "carol"], 4, 60, "NormalEnd"),
    ];
    let rows = rows_of(&bodies);
    let ended_by = |user: &str| rows[user].ended_by;
    assert_eq!(
        [ended_by("bob"), ended_by("carol"), ended_by("alice")],
        [Some(EndedBy::Me), Some(EndedBy::Them), Some(EndedBy::Them)]
    );
}

#[test]
fn who_came_back_talked_for_the_stay_that_is_known() {
    let bodies = [
        started(&["bob", "carol"]),
        changed("bob", "Accept", 10_000),
        changed("carol", "Accept", 11_000),
        changed("bob", "Hangup", 60_000),
        changed("bob", "Join", 250_000),
        ended(&["bob", "carol"], 10, 300, "NormalEnd"),
    ];
    assert_eq!(rows_of(&bodies)["bob"].talk_s, Some(50));
}

#[test]
fn each_answer_of_a_callee_is_no_new_stay_of_the_caller() {
    let bodies = [
        device("alice", "caller", "start_call", 0),
        device("bob", "callee", "accept_call", 5),
        device("alice", "caller", "call_accepted", 5),
        device("carol", "callee", "accept_call", 1_800),
        device("alice", "caller", "call_accepted", 1_800),
        device("bob", "callee", "call_end", 3_599),
        device("carol", "callee", "call_end", 3_599),
        device("alice", "caller", "call_end", 3_600),
    ];
    let rows = rows_of(&bodies);
    assert_eq!((rows["alice"].talk_s, rows["carol"].talk_s), (Some(3_595), Some(1_799)));
    let call = |until: usize| -> StoredCall { serde_json::from_value(item(&bodies[..until])).unwrap() };
    let told = of_call(Some(&call(4)), &call(5));
    assert!(told.iter().all(|news| news.what != What::ParticipantJoined), "{told:?}");
}
