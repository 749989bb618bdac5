//! What became of each person of a Tencent group call, told by several devices, late, twice and in any order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use fastrand::Rng;
use ringback::call::CallFacts;
use ringback::call::model::{Outcome, Personal};
use ringback::tencent::CALLBACK;
use ringback::testing::{self, DeadTopic, MemoryTable, recorder};
use serde_json::{Value, json};

const BEGINNING: u64 = 1_793_600_000_000;

/// What the call's item tells of each person, after these callbacks.
fn outcomes<'a>(bodies: impl IntoIterator<Item = &'a Value>) -> BTreeMap<String, Option<Outcome>> {
    let table = MemoryTable::default();
    let handler = recorder(CALLBACK, &table, DeadTopic);
    let path = format!("/{}/tencent/call_event", testing::TOKEN);
    for body in bodies {
        testing::send(&handler, "POST", &path, "sdkappid=8888888", &body.to_string());
    }
    let facts: CallFacts = serde_json::from_str(table.call()["facts"].as_str().unwrap()).unwrap();
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

/// Callbacks of the current generation, from Tencent's servers.
fn server() -> [Value; 6] {
    let users = |waiting: &[&str]| -> Value {
        let all = ["alice", "bob", "carol", "dave", "frank"].into_iter();
        let status = |user| if waiting.contains(&user) { "Waiting" } else { "Calling" };
        all.map(|user| json!({ "User_Account": user, "Status": status(user) })).collect()
    };
    let changed = |user: &str, action: &str, second: u64| {
        json!({
            "CallInfo": { "CallId": "c", "CallType": "group" }, "UserList": [],
            "ChangedUserList": [{ "User_Account": user, "ActionType": action }],
            "EventTime": BEGINNING + second * 1_000,
        })
    };
    [
        json!({
            "CallInfo": { "CallId": "c", "CallType": "group" },
            "UserList": users(&["bob", "carol", "dave", "frank"]), "EventTime": BEGINNING,
        }),
        changed("bob", "Accept", 4),
        changed("carol", "Reject", 6),
        changed("frank", "Canncel_Invite", 8),
        changed("dave", "NotAnswer", 30),
        json!({
            "CallRecord": {
                "CallId": "c", "CallType": "group", "Caller_Account": "alice",
                "CalleeList_Account": ["bob", "carol", "dave", "frank"],
                "StartTime": BEGINNING / 1_000, "AcceptTime": BEGINNING / 1_000 + 4,
                "EndTime": BEGINNING / 1_000 + 60, "CallResult": "NormalEnd",
            },
        }),
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
