//! Who comes in, and what bad input gets.

use super::*;

#[test]
fn each_door_opens_its_own_addresses_only() {
    let api = api(calls());
    let iam = json!({ "iam": { "accountId": "1" } });
    for (event, status) in [
        (event("GET", "/me/calls", &iam), 403),
        (event("PUT", "/me/seen", &iam), 403),
        (bobs("GET", "/users/planetkit/bob/calls"), 403),
        (bobs("GET", "/calls"), 403),
        (bobs("GET", "/rooms/live"), 403),
        (bobs("GET", "/stats"), 403),
        (event("GET", "/me/calls", &Value::Null), 401),
        (event("GET", "/calls", &json!({ "iam": {} })), 401),
        (event("GET", "/calls", &json!({ "lambda": { "sub": "bob" } })), 401),
    ] {
        let answer = send(&api, &event);
        assert_eq!(answer.status, status, "{event}");
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
}

#[test]
fn without_an_issuer_there_are_no_calls_of_ones_own() {
    let api = HistoryApi::new(calls(), None, 2);
    assert_eq!(send(&api, &bobs("GET", "/me/calls")).status, 404);
}

#[test]
fn a_claim_that_names_no_user_opens_nothing() {
    let api = api(calls());
    let long = "b".repeat(257);
    for claims in [
        json!({ "name": "bob" }),
        json!({ "sub": 7 }),
        json!({ "sub": ["bob"] }),
        json!({ "sub": { "user": "bob" } }),
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "sub": " " }),
        json!({ "sub": "bob\u{0}" }),
        json!({ "sub": long }),
    ] {
        assert_eq!(send(&api, &with_token("GET", "/me/calls", &claims)).status, 403, "{claims}");
    }
}

#[test]
fn bad_input_is_a_problem_that_names_the_parameter() {
    let api = api(calls());
    let days = 31 * 86_400_000_u64;
    for (address, parameter) in [
        (format!("/calls?from={NOW}&to={}", NOW - 1), "from"),
        (format!("/calls?from={}", NOW + 1), "from"),
        (format!("/calls?from={}&to={NOW}", NOW - days - 1), "from"),
        (format!("/stats?from={}&to={NOW}", NOW - days - 1), "from"),
        ("/stats?from=yesterday".into(), "from"),
        ("/stats?to=2026-13-01T00:00:00Z".into(), "to"),
        ("/stats?by=week".into(), "by"),
        ("/calls?limit=0".into(), "limit"),
        ("/calls?limit=101".into(), "limit"),
        ("/calls?limit=".into(), "limit"),
        ("/calls?limit=1&limit=2".into(), "limit"),
        ("/calls?outcome=nice".into(), "outcome"),
        ("/calls?kind=conference".into(), "kind"),
        ("/calls?media=text".into(), "media"),
        ("/calls?cursor=x".into(), "cursor"),
        ("/users/planetkit/bob/calls?missed=yes".into(), "missed"),
        ("/users/planetkit/bob/calls?provider=other".into(), "provider"),
        ("/users/planetkit//calls".into(), "user"),
        ("/rooms//r/calls".into(), "service"),
        (format!("/calls/{}", "s".repeat(257)), "sid"),
    ] {
        let answer = send(&api, &signed(&address));
        assert_eq!((answer.status, &answer.json()["parameter"]), (400, &json!(parameter)), "{address}");
    }
    assert_eq!(send(&api, &signed("/calls?form=1")).json()["code"], "unknown_parameter");
    assert_eq!(send(&api, &signed(&format!("/calls?from={}&to={NOW}", NOW - days))).status, 200);
}

#[test]
fn an_unknown_call_is_a_404_and_a_user_without_calls_has_an_empty_list() {
    let api = api(calls());
    for address in ["/calls/other", "/calls/other/events"] {
        assert_eq!(send(&api, &signed(address)).json()["code"], "unknown_call");
    }
    let empty = send(&api, &signed("/users/planetkit/dave/calls"));
    assert_eq!((empty.status, empty.json()), (200, json!({ "calls": [] })));
    let method = event("POST", "/calls", &json!({ "iam": { "accountId": "1" } }));
    let wrong = send(&api, &method);
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET")));
}

#[test]
fn when_the_tables_are_down_the_reader_is_told_when_to_try_again() {
    let api = api(MemoryCalls::down());
    let all =
        ["/calls", "/calls/one", "/calls/one/events", "/users/planetkit/bob/calls", "/rooms/live", "/stats"];
    for event in all.map(signed).into_iter().chain([bobs("GET", "/me/missed"), bobs("PUT", "/me/seen")]) {
        let answer = send(&api, &event);
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("2")), "{event}");
        assert_eq!(answer.json()["code"], "calls_unavailable");
    }
}

#[test]
fn a_line_says_what_was_read_and_of_whom_nothing() {
    let answer = send(&api(calls()), &signed("/users/planetkit/bob/calls?limit=0"));
    let line: Value = serde_json::from_str(&answer.line).unwrap();
    assert_eq!(line["route"], "/users/{service}/{user}/calls");
    assert_eq!((&line["operation"], &line["outcome"]), (&json!("users_calls"), &json!("unusable_parameter")));
    assert_eq!((&line["parameter"], &line["history_requests"]), (&json!("limit"), &json!(1)));
}
