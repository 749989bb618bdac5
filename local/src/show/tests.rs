use serde_json::json;

use super::*;
use crate::cases::Answer;
use crate::phones::Ring;

const SECRET: &str = "eyJ2b2lwQWRkcmVzcyI6IjE5Mi4wLjIuMSIsIm1wa2V5IjoiQWdFQ0F3UUZCZ2NJQ1FvTERBME9EeEFSRWhNVUZSWVhHQmthR3h3ZEho";

fn job() -> Value {
    json!({
        "cc_param": SECRET, "app_call_type": "V", "app_caller_uid": "alice", "app_caller_sid": "planetkit",
        "app_callee_uid": "bob", "app_callee_sid": "planetkit", "expires_at": "1793879160",
    })
}

fn call() -> Value {
    json!({
        "kind": "one-to-one", "media": "audio", "status": "ended", "outcome": "answered",
        "caller": { "service_id": "planetkit", "user_id": "alice" },
        "callee": { "service_id": "planetkit", "user_id": "bob" },
        "duration_s": 42, "started_at": 1_793_879_166_000_u64, "released_by": "caller",
    })
}

fn played(status: u16, body: &str, outcome: &str) -> Played {
    Played {
        answer: Answer { status: Some(status), body: body.into() },
        handled: vec![Handled { outcome: outcome.into(), ..Handled::default() }],
        ..Played::default()
    }
}

fn published() -> Played {
    Played { jobs: vec![job()], ..played(200, "", "published") }
}

fn rung() -> Played {
    let ring = Ring { phone: "bob's iPhone".into(), status: 200, job: job() };
    Played { rings: vec![ring], jobs: vec![job()], ..played(200, "", "rung") }
}

fn ended() -> Played {
    let handled = Handled { outcome: "recorded".into(), call: Some(call()), ..Handled::default() };
    Played { handled: vec![handled], ..played(200, "", "recorded") }
}

#[test]
fn a_callback_is_told_as_a_person_would() {
    let refused = played(400, r#"{"error":"missing","field":"sid"}"#, "missing_field");
    for (what, played, became) in [
        ("Alice calls Bob.", published(), "push job for bob: video call from alice"),
        ("Alice calls Bob.", rung(), "bob's iPhone rings: alice, video, cc_param unchanged"),
        ("Alice hangs up.", ended(), "recorded: answered, talked 42 s, ended by caller"),
        ("A callback comes without a session.", refused, "refused: 400 missing_field: missing: sid"),
        ("A stray.", played(404, "", "unknown_url"), "refused: 404 unknown_url"),
        ("Again.", played(200, "", "duplicate"), "known already"),
    ] {
        let what_is_shown = what.trim_end_matches('.');
        assert_eq!(line(what, &played, ""), format!("  {what_is_shown:<COLUMN$}{became}"));
    }
    assert!(line("ring", &published(), "expected 400").ends_with("\n  ^^^ DIFFERENT: expected 400"));
}

#[test]
fn the_first_screen_has_at_most_forty_lines_that_fit() {
    let step = line(&"Alice calls Bob. ".repeat(20), &ended(), "");
    assert!(step.chars().count() <= WIDTH, "{step}");
    for callbacks in 1..20 {
        let story = [vec!["name".to_owned()], vec![step.clone(); callbacks]].concat();
        let lines = screen("head".into(), &vec![story; 40], vec!["end".into(); 5]);
        assert!(lines.len() <= LINES && lines.contains(&"name".to_owned()), "{lines:?}");
    }
    // However many differences there are, all are shown.
    let lines = screen("head".into(), &[vec!["story".into()]], vec!["different".into(); 100]);
    assert_eq!(lines.len(), 103);
}

#[test]
fn no_more_than_the_beginning_of_a_secret_is_shown() {
    for length in 0..SECRET.len() {
        let shown = shorten(&SECRET[..length]);
        let (beginning, rest) = shown.split_once('…').unwrap();
        assert!(beginning.len() <= SHOWN.min(length / 4) && SECRET.starts_with(beginning));
        assert_eq!(rest, format!(" ({length} characters)"));
    }
    let shown = job_line(&job());
    let beginning = "push job for bob@planetkit: video call from alice@planetkit, cc_param eyJ2b2lw…";
    assert!(shown.starts_with(beginning), "{shown}");
    for text in [shown, line("alice calls", &published(), ""), line("alice calls", &rung(), "")] {
        assert!(!text.contains(&SECRET[..=SHOWN]), "{text}");
    }
    assert!(job_line(&json!({})).contains("cc_param"));
}

#[test]
fn a_call_is_a_line() {
    let room = json!({
        "kind": "group", "media": "video", "status": "ongoing", "online": 3,
        "room": { "service_id": "planetkit", "id": "standup" },
        "host": { "service_id": "planetkit", "user_id": "alice" },
        "callees": [{ "user_id": "bob" }, { "user_id": "carol" }],
    });
    let pair = "alice@planetkit -> bob@planetkit";
    let ended = "answered, talked 42 s, ended by caller, 2026-11-05 11:46:06 UTC";
    let people = "room standup@planetkit, host alice@planetkit, ? -> bob, carol";
    let ringing = json!({ "kind": "one-to-one", "media": "unknown", "status": "ringing" });
    let out_of_time = json!({ "status": "ended", "last_event_at": i64::MAX });
    for (call, text) in [
        (call(), format!("one-to-one audio call, {pair}, {ended}")),
        (room, format!("group video call, {people}, ongoing, 3 online")),
        (ringing, "one-to-one call, ringing".to_owned()),
        (out_of_time, format!("? call, ended, at {} ms", i64::MAX)),
    ] {
        assert_eq!(call_line(&call), text);
    }
}

#[test]
fn what_comes_while_the_stack_serves_is_a_line() {
    let spooled = json!({
        "message": "callback", "timestamp": "2026-11-05T11:46:06.123Z", "callback": "call_event",
        "status": 200, "outcome": "deferred", "latency_ms": 1100.2,
    });
    let line = log_line(&spooled, "");
    assert!(line.starts_with("11:46:06  call_event          200 deferred"), "{line}");
    assert!(line.ends_with("1100.2 ms  not stored: waits in the spool until replay writes it"), "{line}");
    for (fields, end) in [
        (json!({ "message": "replay", "outcome": "recorded" }), "a call"),
        (
            json!({ "message": "replay", "outcome": "dead_letter", "reason": "future_version" }),
            "future_version: is with the dead letters now; `ringback replay` brings it back",
        ),
        (json!({ "message": "replay", "outcome": "back_to_the_queue", "reason": null }), "  comes again"),
    ] {
        let line = log_line(&fields, "a call");
        assert!(line.contains("(from the spool)") && line.ends_with(end), "{line}");
    }
}

#[test]
fn text_from_outside_cannot_move_the_cursor() {
    assert_eq!(clean("a\u{1b}[2J\r\nb é"), "a?[2J??b é");
}
