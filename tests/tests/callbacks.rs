//! Callbacks over HTTP, and what is then in DynamoDB and in the queue of push jobs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use ringback_tests::stack::{call_and_events, callback, invoke, items, push_jobs, request};
use serde_json::{Value, json};

fn fresh(name: &str) -> String {
    format!("{name}-{:016x}", fastrand::u64(..))
}

#[test]
fn a_notify_becomes_one_push_job_with_param_byte_for_byte() {
    for (name, sent) in [("raw", "ab+/cd=="), ("encoded", "ab%2B%2Fcd%3D%3D")] {
        let sid = fresh(name);
        let query = format!(
            "sid={sid}&from_service_id=planetkit&from_user_id=alice&to_service_id=planetkit&to_user_id=bob&type=V&param={sent}&stid=x%20y"
        );
        let answer = callback("GET", &format!("/line/notify_cb?{query}"), "");
        assert_eq!((answer.status, answer.json()), (200, json!({ "result": "published" })));
        assert!(answer.headers.contains("cache-control: no-store"), "{}", answer.headers);

        let jobs = push_jobs(&sid);
        assert_eq!(jobs.len(), 1, "{name}");
        let (body, attributes) = &jobs[0];
        assert_eq!(body["cc_param"], "ab+/cd==", "{name}");
        assert_eq!(body["app_stid"], "x y");
        let attribute = |name: &str| attributes[name]["StringValue"].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            ["provider", "kind", "media", "callee_service_id", "callee_user_id", "sid"].map(attribute),
            ["line", "one-to-one", "video", "planetkit", "bob", sid.as_str()]
        );
        assert!(items(&sid).is_empty(), "a notify leaves no record");
    }
}

#[test]
fn a_call_event_becomes_an_event_and_a_call_and_the_same_again_changes_nothing() {
    let sid = fresh("call");
    let query = format!(
        "sid={sid}&from_service_id=planetkit&from_user_id=alice&to_service_id=planetkit&to_user_id=bob&type=A&setup_time=1793600000\
         &start_time=1793600005&end_time=1793600035&duration=30&terminate=16&disconnect_reason=1001&releaser_type=2&unknown=%E2%98%8E"
    );
    let send = || callback("GET", &format!("/line/call_event?{query}"), "");
    assert_eq!(send().json(), json!({ "result": "recorded" }));
    let (call, events) = call_and_events(&sid);
    assert_eq!(call["outcome"]["S"], "answered");
    assert_eq!(call["duration_s"]["N"], "30");
    assert_eq!(call["started_at"]["N"], "1793600005000");
    assert_eq!(call["caller"]["M"]["user_id"]["S"], "alice");
    assert_eq!(call["reason"]["M"]["disconnect_reason"]["N"], "1001");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["vendor"]["M"]["unknown"]["S"], "☎");
    assert!(events[0]["record"]["S"].as_str().unwrap().starts_with("event#1793600035000#"));

    assert_eq!(send().json(), json!({ "result": "duplicate" }));
    assert_eq!(call_and_events(&sid), (call, events));
}

#[test]
fn a_room_has_many_events_and_one_call() {
    let sid = fresh("room");
    let event = |rest: &str| {
        let query = format!(
            "sid={sid}&svc_id=planetkit&id=standup&user_svc_id=planetkit&host_svc_id=planetkit&host_id=alice&{rest}"
        );
        assert_eq!(callback("GET", &format!("/line/gcall_event?{query}"), "").status, 200);
    };
    event(
        "user_id=alice&sc=S&msc=C&online=1&media_type=A&setup_time=1793600000&start_time=1793600000&ts=1793600000100",
    );
    event("user_id=carol&sc=E&msc=D&online=0&end_time=1793600060&ts=1793600060000");
    event("user_id=bob&sc=C&msc=C&online=2&mediaType=V&ts=1793600010000");
    let (call, events) = call_and_events(&sid);
    assert_eq!(events.len(), 3);
    assert_eq!((&call["status"]["S"], &call["outcome"]["S"]), (&json!("ended"), &json!("answered")));
    assert_eq!((&call["online"]["N"], &call["media"]["S"]), (&json!("0"), &json!("video")));
}

#[test]
fn an_agent_call_is_ringing_until_its_call_event_and_stays_ended_after_it() {
    let sid = fresh("agent");
    let status = format!(
        "/line/agent_call_status?sid={sid}&agent_type=AUDIO_CALLER&media_source_type=STORED_SOURCE&result=Success&fail_reason=None"
    );
    assert_eq!(callback("GET", &status, "").status, 200);
    assert_eq!(call_and_events(&sid).0["status"]["S"], "ringing");
    let ended = format!("/line/call_event?sid={sid}&duration=0&disconnect_reason=1203&end_time=1793600060");
    assert_eq!(callback("GET", &ended, "").status, 200);
    assert_eq!(callback("GET", &(status + "&again=1"), "").status, 200);
    let (call, events) = call_and_events(&sid);
    assert_eq!((&call["status"]["S"], &call["outcome"]["S"]), (&json!("ended"), &json!("missed")));
    assert_eq!(events.len(), 3);
}

#[test]
fn tencents_numeric_ids_keep_every_digit() {
    let call_id = fresh("numbers");
    let body = format!(
        r#"{{"CallInfo":{{"CallId":"{call_id}","CallMediaType":"Video","RoomId":9007199254740993}},"EventTime":1793600000123,
        "UserList":[{{"User_Account":144115212345678901,"Status":"Calling"}},{{"User_Account":144115212345678902345,"Status":"Waiting"}}]}}"#
    );
    let path = "/tencent/call_event?SdkAppid=1400000001&CallbackCommand=Call.CallbackAfterStartCall&contenttype=json";
    let answer = callback("POST", path, &body);
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({ "ActionStatus": "OK", "ErrorInfo": "", "ErrorCode": 0, "ErrorMessage": "Success" }))
    );
    let (call, events) = call_and_events(&call_id);
    assert_eq!(call["caller"]["M"]["user_id"]["S"], "144115212345678901");
    assert_eq!(call["callee"]["M"]["user_id"]["S"], "144115212345678902345");
    assert_eq!(call["room"]["M"]["id"]["S"], "9007199254740993");
    assert!(events[0]["vendor"].to_string().contains("144115212345678902345"));
}

#[test]
fn a_wrong_token_learns_nothing() {
    for method in ["GET", "POST", "HEAD", "PUT"] {
        for path in ["/wrong/line/notify_cb", "/wrong/line/call_event?sid=x", "/wrong/tencent/call_event"] {
            let answer = request(method, path);
            assert_eq!((answer.status, answer.body.as_str()), (404, ""), "{method} {path}");
        }
    }
}

#[test]
fn a_wrong_method_has_no_effect() {
    let sid = fresh("method");
    for method in ["POST", "PUT", "DELETE", "HEAD"] {
        let answer = callback(method, &format!("/line/call_event?sid={sid}"), "");
        assert_eq!((answer.status, answer.body.as_str()), (405, ""), "{method}");
        assert!(answer.headers.contains("cache-control: no-store"), "{}", answer.headers);
    }
    assert!(items(&sid).is_empty());
}

#[test]
fn what_is_not_ours_is_refused_and_leaves_nothing() {
    let sid = fresh("foreign");
    let answer = callback("GET", &format!("/line/call_event?sid={sid}&from_service_id=somebody-elses"), "");
    assert_eq!(answer.status, 403);
    assert!(!answer.body.contains("somebody"), "{}", answer.body);
    let body = json!({ "CallId": sid, "Event": "start_call" }).to_string();
    let answer = callback("POST", "/tencent/call_event?sdkappid=42&command=caller_start_call", &body);
    assert_eq!(answer.status, 403);
    assert_ne!(answer.json()["ErrorCode"], 0);
    assert!(items(&sid).is_empty());
}

#[test]
fn what_is_missing_is_named() {
    for (path, field) in [
        ("/line/notify_cb?param=x", "sid"),
        ("/line/notify_cb?sid=x", "param"),
        ("/line/call_event", "sid"),
        ("/line/gcall_event?sid=", "sid"),
        ("/line/agent_call_status?sid=%00", "sid"),
    ] {
        let answer = callback("GET", path, "");
        assert_eq!((answer.status, &answer.json()["field"]), (400, &json!(field)), "{path}");
    }
    let answer = callback(
        "POST",
        "/tencent/call_event?sdkappid=8888888&command=caller_start_call",
        r#"{"UserId":"a"}"#,
    );
    assert_eq!(answer.status, 400);
    assert!(answer.json()["ErrorInfo"].as_str().unwrap().contains("CallId"));
}

#[test]
fn an_event_that_no_gateway_would_send_is_answered_too() {
    for event in ["{}", "[]", "null", "1", r#"{"rawQueryString":"\u0000 |"}"#] {
        for function in ["notify", "call-event", "tencent-call-event"] {
            let answer = invoke(function, event);
            let response: Value = answer.json();
            assert_eq!((answer.status, &response["statusCode"]), (200, &json!(404)), "{function} {event}");
        }
    }
}

#[test]
fn a_warm_callback_is_answered_in_under_50_ms() {
    for path in
        ["/line/notify_cb?param=x&sid=", "/line/call_event?sid=", "/line/gcall_event?ts=1793600000001&sid="]
    {
        callback("GET", &format!("{path}{}", fresh("warm-up")), "");
        let mut times: Vec<Duration> = (0..20)
            .map(|_| {
                let started = Instant::now();
                assert_eq!(callback("GET", &format!("{path}{}", fresh("warm")), "").status, 200);
                started.elapsed()
            })
            .collect();
        times.sort_unstable();
        assert!(times[10] < Duration::from_millis(50), "{path}: median {:?}", times[10]);
    }
}
