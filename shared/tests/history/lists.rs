//! What lists, calls and figures show.

use super::*;

#[test]
fn a_user_reads_the_calls_of_their_own_newest_first_page_by_page() {
    let api = api(calls());
    let first = send(&api, &bobs("GET", "/me/calls?limit=2"));
    assert_eq!((first.status, first.sids()), (200, vec!["one".to_owned(), "two".to_owned()]));
    let next = first.json()["next"].as_str().unwrap().to_owned();
    assert_eq!(first.header("link"), Some(format!("<?limit=2&cursor={next}>; rel=\"next\"").as_str()));
    let last = send(&api, &bobs("GET", &format!("/me/calls?limit=2&cursor={next}")));
    assert_eq!((last.sids(), last.json().get("next")), (vec!["three".to_owned()], None));
    assert_eq!(last.header("link"), None);
}

#[test]
fn missed_calls_can_be_asked_for_alone() {
    assert_eq!(send(&api(calls()), &bobs("GET", "/me/calls?missed=true")).sids(), ["one", "three"]);
}

#[test]
fn the_badge_counts_what_was_missed_since_the_user_last_looked() {
    let calls = calls();
    let api = api(calls);
    assert_eq!(send(&api, &bobs("GET", "/me/missed")).json(), json!({ "unseen": 2, "seen_at": null }));
    assert_eq!(send(&api, &bobs("PUT", "/me/seen")).status, 204);
    assert_eq!(send(&api, &bobs("GET", "/me/missed")).json(), json!({ "unseen": 0, "seen_at": NOW }));
}

#[test]
fn a_user_sees_no_addresses_and_no_text_of_servers_and_the_app_server_does() {
    let api = api(calls());
    let own = send(&api, &bobs("GET", "/me/calls")).json();
    assert_eq!(own["calls"][0]["reason"], json!({ "disconnect_reason": 1203 }));
    let all = send(&api, &signed("/users/planetkit/bob/calls")).json();
    assert_eq!(all["calls"][0]["reason"]["terminate"], "10.1.2.3");
    let mut in_csv = bobs("GET", "/me/calls");
    in_csv["headers"] = json!({ "accept": "text/csv" });
    assert!(!send(&api, &in_csv).text.contains("10.1.2.3"));
}

#[test]
fn the_operators_list_takes_filters_and_times_in_both_notations() {
    let calls = MemoryCalls::default();
    calls.put_call(&read(operators_row("new", 10, "missed")));
    calls.put_call(&read(operators_row("answered", 20, "answered")));
    calls.put_call(&read(operators_row("yesterday", 1_000, "missed")));
    calls.put_call(&read(operators_row("before", 3_000, "missed")));
    let api = api(calls);
    assert_eq!(send(&api, &signed("/calls?outcome=missed")).sids(), ["new", "yesterday"]);
    let from = NOW - 4_000 * 60_000;
    let all = format!("/calls?from={from}&kind=one-to-one&media=audio&service=planetkit");
    assert_eq!(send(&api, &signed(&all)).sids(), ["new", "answered", "yesterday", "before"]);
    // 1763800000123 is 2025-11-22T08:26:40.123Z.
    let hour = "/calls?from=2025-11-22T17:10:00%2B09:00&to=2025-11-22T08:20:00Z";
    assert_eq!(send(&api, &signed(hour)).sids(), ["new"]);
}

#[test]
fn a_silent_room_is_stale_and_after_a_day_not_listed() {
    let calls = MemoryCalls::default();
    for (sid, minutes) in [("busy", 1), ("silent", 180), ("forgotten", 1_441)] {
        calls.put_live(&read(live_row(sid, minutes)));
    }
    let rooms = send(&api(calls), &signed("/rooms/live")).json()["rooms"].as_array().unwrap().clone();
    let shown: Vec<_> =
        rooms.iter().map(|room| json!([room["sid"], room["quiet_s"], room["stale"]])).collect();
    assert_eq!(shown, [json!(["silent", 10_800, true]), json!(["busy", 60, false])]);
    assert_eq!((&rooms[0]["online"], &rooms[0]["last_event_at"]), (&json!(3), &json!(NOW - 10_800_000)));
}

#[test]
fn more_live_rooms_than_an_answer_of_lambda_holds_come_in_pages() {
    let calls = MemoryCalls::default();
    // Quotes take three bytes more in Lambda's answer, which holds the body as a text.
    let names = json!([{ "service_id": "planetkit", "user_id": "\"".repeat(200) }]);
    for number in 0..12_000 {
        let mut row = live_row(&format!("room-{number}"), number % 60);
        row["callees"] = names.clone();
        calls.put_live(&read(row));
    }
    let (api, mut seen, mut next) = (api(calls), std::collections::BTreeSet::new(), String::new());
    for page in 1..=3 {
        let answer = send(&api, &signed(&format!("/rooms/live{next}")));
        assert!(json!(answer.text).to_string().len() < 6_000_000, "Lambda takes 6 MB");
        seen.extend(answer.sids());
        let list = answer.json();
        let Some(cursor) = list["next"].as_str() else {
            assert_eq!((page, seen.len()), (3, 12_000));
            return;
        };
        assert_eq!(answer.header("link"), Some(format!("<?cursor={cursor}>; rel=\"next\"").as_str()));
        next = format!("?cursor={cursor}");
    }
    panic!("it does not end");
}

#[test]
fn more_figures_than_an_answer_of_lambda_holds_come_in_pages() {
    let calls = MemoryCalls::default();
    let reasons: serde_json::Map<String, Value> =
        (0..26).map(|code| (format!("disconnect_reason:{}", 1_200 + code), json!(1_000))).collect();
    let figures = json!({ "calls": 26_000, "talk_s": 999_999, "reasons": reasons });
    for hour in 0..24 {
        for service in 0..400 {
            let service = format!("service-{service}");
            let day = "2025-11-21".to_owned();
            let period = ringback::history::figures::Period {
                provider: "line".into(),
                service,
                day,
                hour: Some(hour),
            };
            calls.put_figures(period, read(figures.clone()));
        }
    }
    let (api, mut seen, mut next) = (api(calls), std::collections::BTreeSet::new(), String::new());
    let mut pages = 0;
    while pages < 9 {
        let answer = send(&api, &signed(&format!("/stats?by=hour&from=2025-11-21T00:00:00Z{next}")));
        assert!(json!(answer.text).to_string().len() < 6_000_000, "Lambda takes 6 MB");
        let list = answer.json();
        let rows = list["figures"].as_array().unwrap();
        seen.extend(rows.iter().map(|row| format!("{} {}", row["hour"], row["service"])));
        pages += 1;
        let Some(cursor) = list["next"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!((pages > 1, seen.len()), (true, 24 * 400));
}

#[test]
fn a_list_as_csv_has_no_cell_that_a_spreadsheet_runs() {
    let calls = MemoryCalls::default();
    calls.put_call(&read(operators_row("+sid", 10, "missed")));
    let mut asked = signed("/calls?outcome=missed");
    asked["headers"] = json!({ "accept": "text/csv" });
    let answer = send(&api(calls), &asked);
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    let row = answer.text.lines().nth(1).unwrap();
    assert!(row.contains(",'+sid,") && row.contains(",'=1+1,"), "{row}");
}

#[test]
fn an_answer_that_the_reader_has_is_not_sent_again() {
    let api = api(calls());
    let first = send(&api, &bobs("GET", "/me/calls"));
    let tag = first.header("etag").unwrap();
    assert!(tag.starts_with("W/\""), "{tag}");
    let mut again = bobs("GET", "/me/calls");
    again["headers"] = json!({ "if-none-match": format!("\"other\", {tag}") });
    let answer = send(&api, &again);
    assert_eq!((answer.status, answer.text.as_str(), answer.header("etag")), (304, "", Some(tag)));
    let mut others = with_token("GET", "/me/calls", &json!({ "sub": "carol" }));
    others["headers"] = again["headers"].clone();
    assert_eq!(send(&api, &others).status, 200);
}

fn group_event(at: u64, who: &str, what: &str, online: &str) -> Value {
    json!({
        "sid": "room", "record": format!("event#{at:013}#{what}{who}"), "provider": "line",
        "callback": "group_call_event", "what": what, "who": { "service_id": "planetkit", "user_id": who },
        "at": at, "vendor": { "online": online }, "received_at": at, "expires_at": NEVER,
    })
}

#[test]
fn a_rooms_people_have_their_stays_and_an_impossible_count_is_shown_as_odd() {
    let calls = MemoryCalls::default();
    calls.put_record(json!({
        "sid": "room", "record": "call", "provider": "line", "kind": "group", "status": "ongoing",
        "media": "audio", "facts": "[]", "received_at": 1, "expires_at": NEVER,
    }));
    for (at, who, what, online) in [
        (10_000, "bob", "connected", "1"),
        (20_000, "bob", "disconnected", "-1"),
        (30_000, "bob", "connected", "1"),
        (35_000, "bob", "timed_out", "0"),
        (40_000, "carol", "connected", "1"),
    ] {
        calls.put_record(group_event(at, who, what, online));
    }
    let api = api(calls);
    let call = send(&api, &signed("/calls/room")).json();
    assert_eq!(call.get("facts"), None);
    let people = &call["participants"];
    let stays = json!([{ "came": 10_000, "left": 20_000 }, { "came": 30_000, "left": 35_000 }]);
    assert_eq!((&people[0]["stays"], &people[0]["talk_s"]), (&stays, &json!(15)));
    assert_eq!((&people[1]["stays"], people[1].get("talk_s")), (&json!([{ "came": 40_000 }]), None));
    assert_eq!(call["odd_counts"], json!([{ "at": 20_000, "online": "-1", "odd": true }]));

    let first = send(&api, &signed("/calls/room/events?limit=3")).json();
    assert_eq!(first["events"][1], group_event(20_000, "bob", "disconnected", "-1"));
    let next = first["next"].as_str().unwrap();
    let rest = send(&api, &signed(&format!("/calls/room/events?limit=3&cursor={next}"))).json();
    assert_eq!((rest["events"].as_array().unwrap().len(), rest.get("next")), (2, None));
}

#[test]
fn figures_have_a_rate_of_the_calls_that_ended_and_minutes() {
    let calls = MemoryCalls::default();
    let figures = json!({
        "calls": 5, "talk_s": 90, "outcomes": { "answered": 2, "missed": 1, "busy": 1, "open": 1 },
        "reasons": { "disconnect_reason:1203": 1 },
    });
    let period = ringback::history::figures::Period {
        provider: "line".into(),
        service: "planetkit".into(),
        day: "2025-11-22".into(),
        hour: None,
    };
    calls.put_figures(period, read(figures));
    let day = &send(&api(calls), &signed("/stats?by=day")).json()["figures"][0];
    assert_eq!((&day["answer_rate"], &day["talk_minutes"]), (&json!(0.5), &json!(1.5)));
    assert_eq!((&day["day"], &day["outcomes"]["missed"]), (&json!("2025-11-22"), &json!(1)));
}
