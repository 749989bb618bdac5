//! Whole calls on the running stack: from the vendor's callbacks over the records, their stream and project
//! to what the history answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ringback_tests::calls::{app_server, ask};
use ringback_tests::control_plane::Function;
use ringback_tests::stack::{callback, function_variables, variable};
use serde_json::{Value, json};

/// The stream is read twice a second, and a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(60);

fn history() -> Function {
    let mut variables = function_variables();
    variables.extend(["VIEWS_TABLE", "FIGURES_TABLE"].map(|name| (name, variable(name))));
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Function::start("history", &variables)
}

/// A name that no other test uses.
fn fresh(name: &str) -> String {
    format!("{name}-{:016x}", fastrand::u64(..))
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn line(path: &str, parameters: &[(&str, &str)]) {
    let query: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let answer = callback("GET", &format!("/line/{path}?{}", query.join("&")), "");
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// What an address answers as soon as it is as expected.
fn once(history: &Function, address: &str, is_there: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let (status, answer) = ask(history, address, &app_server());
        if status == 200 && is_there(&answer) {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "{address}: {status} {answer}");
        sleep(Duration::from_millis(200));
    }
}

fn calls_of(history: &Function, user: &str) -> Value {
    let address = format!("/users/planetkit/{user}/calls");
    once(history, &address, |list| !list["calls"].as_array().unwrap().is_empty())["calls"][0].clone()
}

#[test]
fn a_call_without_an_answer_is_outgoing_for_the_caller_and_missed_by_the_callee() {
    let (history, sid, alice, bob) = (history(), fresh("missed"), fresh("alice"), fresh("bob"));
    let now = seconds();
    line(
        "call_event",
        &[
            ("sid", &sid),
            ("type", "A"),
            ("from_service_id", "planetkit"),
            ("from_user_id", &alice),
            ("to_service_id", "planetkit"),
            ("to_user_id", &bob),
            ("setup_time", &(now - 60).to_string()),
            ("end_time", &now.to_string()),
            ("duration", "0"),
            ("terminate", "18"),
            ("disconnect_reason", "1203"),
            ("releaser_type", "2"),
        ],
    );
    let missed = calls_of(&history, &bob);
    assert_eq!(missed["sid"], sid);
    assert_eq!((&missed["direction"], &missed["missed"]), (&json!("in"), &json!(true)));
    assert_eq!((&missed["ring_s"], &missed["ended_by"]), (&json!(60), &json!("them")));
    assert_eq!(missed["with"][0]["user_id"], alice);
    let made = calls_of(&history, &alice);
    assert_eq!((&made["direction"], &made["missed"]), (&json!("out"), &json!(false)));
    assert_eq!(made["ended_by"], "me");
}

#[test]
fn a_person_who_comes_back_has_two_stays_and_a_time_out_ends_one() {
    let (history, sid, room, bob) = (history(), fresh("room"), fresh("room"), fresh("bob"));
    let begin = seconds() - 600;
    // Out of order, and one of them twice.
    for (at, msc, online) in
        [(0, "C", "1"), (300, "C", "2"), (100, "D", "1"), (100, "D", "1"), (450, "T", "1")]
    {
        line(
            "gcall_event",
            &[
                ("sid", &sid),
                ("svc_id", "planetkit"),
                ("id", &room),
                ("user_svc_id", "planetkit"),
                ("user_id", &bob),
                ("host_svc_id", "planetkit"),
                ("host_id", "alice"),
                ("sc", if at == 0 { "S" } else { "C" }),
                ("msc", msc),
                ("setup_time", &begin.to_string()),
                ("start_time", &begin.to_string()),
                ("online", online),
                ("media_type", "V"),
                ("ts", &((begin + at) * 1_000).to_string()),
            ],
        );
    }
    let address = format!("/users/planetkit/{bob}/calls");
    let list = once(&history, &address, |list| list["calls"][0]["talk_s"] == 250);
    let row = &list["calls"][0];
    assert_eq!((&row["direction"], &row["media"]), (&json!("joined"), &json!("video")));
    let (_, call) = ask(&history, &format!("/calls/{sid}"), &app_server());
    assert_eq!(call["participants"][0]["stays"].as_array().unwrap().len(), 2, "{call}");
    // The vendor has not told of the room's end.
    let live = once(&history, "/rooms/live", |live| live.to_string().contains(&sid));
    let room = live["rooms"].as_array().unwrap().iter().find(|room| room["sid"] == sid).unwrap();
    assert_eq!((&room["online"], &room["stale"]), (&json!(1), &json!(false)));
}

#[test]
fn a_correction_moves_figures_and_the_callers_row_stays_one() {
    let (history, sid, alice) = (history(), fresh("corrected"), fresh("alice"));
    let app = 1_400_000_001_u64;
    let now = seconds() * 1_000;
    let tell = |event: &str, role: &str, user: &str, more: &[(&str, Value)]| {
        let mut body = json!({
            "UserId": user, "RoomId": "room", "TotalNum": 2, "MediaType": "audio", "CallType": "single",
            "CallId": sid, "Role": role, "Event": event, "EventTime": now, "StartCallTs": now - 20_000,
        });
        for (name, value) in more {
            body[*name] = value.clone();
        }
        let path = format!("/tencent/call_event?sdkappid={app}&command={role}_{event}&contenttype=json");
        assert_eq!(callback("POST", &path, &body.to_string()).status, 200);
    };
    let address = format!("/users/{app}/{alice}/calls");
    tell("call_missed", "caller", &alice, &[("CallResult", json!("not_answer"))]);
    once(&history, &address, |list| list["calls"][0]["outcome"] == "missed");
    // The callee's own report of the answer came late.
    tell("accept_call", "callee", "bob", &[("AcceptTs", json!(now - 10_000))]);
    tell("call_end", "callee", "bob", &[("AcceptTs", json!(now - 10_000)), ("EndTs", json!(now))]);
    let list = once(&history, &address, |list| list["calls"][0]["outcome"] == "answered");
    assert_eq!(list["calls"].as_array().unwrap().len(), 1, "{list}");
}
