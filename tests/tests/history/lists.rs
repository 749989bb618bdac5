//! What lists, calls and figures show.

use super::*;

#[test]
fn a_list_over_days_and_shards_shows_every_call_once_and_the_newest_first() {
    let (tables, now) = (CallTables::create(), now());
    let mut calls: Vec<(String, u64, &str)> = (0..300)
        .map(|number| {
            let at = now - fastrand::u64(1..4 * DAY);
            (format!("call#{number}%"), at, if number % 3 == 0 { "missed" } else { "answered" })
        })
        .collect();
    put(&calls
        .iter()
        .map(|(sid, at, outcome)| tables.days_row(&call_row(sid, *at, outcome)))
        .collect::<Vec<_>>());
    calls.sort_by_key(|(_, at, _)| std::cmp::Reverse(*at));
    let from = now - 3 * DAY;
    let truth = |picks: &dyn Fn(&str) -> bool| -> Vec<String> {
        let within = calls.iter().filter(|(_, at, outcome)| *at >= from && picks(outcome));
        within.map(|(sid, ..)| sid.clone()).collect()
    };
    let function = tables.function();
    let list = |filter: &str| {
        pages(&function, &format!("/calls?from={from}&to={now}&limit=37{filter}"), &app_server())
    };
    assert_eq!(list(""), truth(&|_| true));
    assert_eq!(list("&outcome=missed"), truth(&|outcome| outcome == "missed"));
    assert_eq!(list("&service=planetkit&media=audio&kind=one-to-one"), truth(&|_| true));
    assert!(list("&service=other").is_empty() && list("&media=video").is_empty());
}

#[test]
fn a_page_can_end_where_a_day_ends() {
    let (tables, midnight) = (CallTables::create(), now() / DAY * DAY);
    let rows = [(midnight + 1, "today"), (midnight - 1, "yesterday"), (midnight - DAY - 1, "before")];
    put(&rows.map(|(at, sid)| tables.days_row(&call_row(sid, at, "missed"))));
    let (from, to) = (midnight - 2 * DAY, midnight + 2);
    let address = format!("/calls?from={from}&to={to}&limit=1");
    assert_eq!(pages(&tables.function(), &address, &app_server()), ["today", "yesterday", "before"]);
}

#[test]
fn the_badge_is_counted_and_cleared_and_missed_calls_are_found_among_others() {
    let (tables, now) = (CallTables::create(), now());
    let bob = user("bob");
    let mut rows: Vec<_> = (0..40)
        .map(|number| users_row(&format!("c{number}"), now - (number + 1) * 60_000, number % 20 == 7))
        .collect();
    rows[8]["missed"] = json!(true);
    rows[8]["expires_at"] = json!(now / 1_000 - 1);
    put(&rows.iter().map(|row| tables.users_row(&bob, row)).collect::<Vec<_>>());
    let (function, token) = (tables.function(), token_of(&json!("bob")));
    assert_eq!(pages(&function, "/me/calls?missed=true", &token), ["c7", "c27"]);
    assert_eq!(ask(&function, "/me/missed", &token).1, json!({ "unseen": 2, "seen_at": null }));
    assert_eq!(answer(&function, "PUT", "/me/seen", &token)["statusCode"], 204);
    let (_, seen) = ask(&function, "/me/missed", &token);
    assert_eq!((&seen["unseen"], seen["seen_at"].as_u64() >= Some(now)), (&json!(0), true));
    // It was missed before the user looked, but was not in the list yet. Its times are a device's.
    let mut late = users_row("late", now - 86_400_000, true);
    late["received_at"] = json!(now);
    put(&[tables.users_row(&bob, &late)]);
    assert_eq!(ask(&function, "/me/missed", &token).1["unseen"], 1);
    assert_eq!(answer(&function, "PUT", "/me/seen", &token)["statusCode"], 204);
    assert_eq!(ask(&function, "/me/missed", &token).1["unseen"], 0);
}

#[test]
fn a_person_in_a_line_group_has_seconds_of_talk() {
    let (tables, now) = (CallTables::create(), now());
    let row = json!({
        "provider": "line", "sid": "room", "direction": "joined", "kind": "group", "at": now,
        "came": [now, now + 60_000], "left": [now + 30_000], "expires_at": NEVER,
    });
    put(&[tables.users_row(&user("bob"), &row)]);
    let (_, list) = ask(&tables.function(), "/me/calls", &token_of(&json!("bob")));
    let call = &list["calls"][0];
    assert_eq!(call["talk_s"], 30);
    assert_eq!(call["stays"], json!([{ "came": now, "left": now + 30_000 }, { "came": now + 60_000 }]));
}

#[test]
fn more_live_rooms_than_one_query_returns_are_all_listed() {
    let (tables, now) = (CallTables::create(), now());
    let row = |number: u64| {
        json!({
            "provider": "line", "sid": format!("room-{number}"), "kind": "group", "status": "ongoing",
            "room": { "service_id": "planetkit", "id": "lobby" }, "online": number, "at": now,
            "last_event_at": now, "expires_at": NEVER, "padding": "x".repeat(1_300),
        })
    };
    put(&(0..3_400).map(|number| tables.live_row(&row(number))).collect::<Vec<_>>());
    let (status, list) = ask(&tables.function(), "/rooms/live", &app_server());
    assert_eq!((status, list["rooms"].as_array().unwrap().len()), (200, 3_400));
}

#[test]
fn a_rooms_sessions_and_a_calls_callbacks_are_read_page_by_page() {
    let (tables, now) = (CallTables::create(), now());
    let sessions = (0..5).map(|number| {
        let row = call_row(&format!("s{number}"), now - number, "answered");
        tables.rooms_row(["line", "planetkit", "lobby#1"], &row)
    });
    let call = json!({
        "sid": "s0", "record": "call", "provider": "line", "kind": "one-to-one", "status": "ended",
        "facts": "[]", "received_at": now, "expires_at": NEVER,
    });
    let event = |number: u64| {
        json!({
            "sid": "s0", "record": format!("event#{:013}#d", now + number), "provider": "line",
            "callback": "call_event", "what": "ended", "vendor": { "number": number.to_string() },
            "received_at": now, "expires_at": NEVER,
        })
    };
    let records = std::iter::once(call.clone()).chain((0..5).map(event)).map(|item| tables.record(&item));
    put(&sessions.chain(records).collect::<Vec<_>>());
    let function = tables.function();
    let rooms = pages(&function, "/rooms/planetkit/lobby%231/calls?limit=2", &app_server());
    assert_eq!(rooms, ["s0", "s1", "s2", "s3", "s4"]);
    let (_, first) = ask(&function, "/calls/s0/events?limit=3", &app_server());
    let next = first["next"].as_str().unwrap();
    let (_, last) = ask(&function, &format!("/calls/s0/events?limit=3&cursor={next}"), &app_server());
    assert_eq!(first["events"].as_array().unwrap().len(), 3);
    assert_eq!(last, json!({ "events": [event(3), event(4)] }));
    assert_eq!(ask(&function, "/calls/s0", &app_server()).1["status"], "ended");
    assert_eq!(ask(&function, "/calls/s9", &app_server()).0, 404);
    assert_eq!(ask(&function, "/calls/s9/events", &app_server()).0, 404);
}

#[test]
fn a_day_is_summed_from_its_hours_until_it_is_rolled_up() {
    let tables = CallTables::create();
    let counters = |calls: i64| {
        json!({
            "calls": calls, "talk_s": 60 * calls, "outcome:answered": calls, "outcome:busy": 0,
            "reason:disconnect_reason:1001": calls, "seq": "1", "expires_at": NEVER,
        })
    };
    let item =
        |partition: &str, sort_key: &str, calls| tables.figures_item(partition, sort_key, &counters(calls));
    put(&[
        item("services", "line#a%23b", 0),
        item("line#a%23b#2026-03-01#0", "h#05#shard-1", 1),
        item("line#a%23b#2026-03-01#3", "h#05#shard-2", 2),
        item("line#a%23b#2026-03-01#3", "h#23#shard-2", 4),
        item("line#a%23b#2026-03-02#1", "h#00#shard-2", 8),
        item("line#a%23b#2026", "d#03-01", 7),
    ]);
    let function = tables.function();
    let figures = |by: &str| {
        let address = format!("/stats?by={by}&from=2026-03-01T05:30:00Z&to=2026-03-02T00:00:01Z");
        ask(&function, &address, &app_server()).1["figures"].as_array().unwrap().clone()
    };
    let hours: Vec<_> =
        figures("hour").iter().map(|hour| (hour["hour"].clone(), hour["calls"].clone())).collect();
    assert_eq!(hours, [(json!(5), json!(3)), (json!(23), json!(4)), (json!(0), json!(8))]);
    let days = figures("day");
    assert_eq!(days.len(), 2);
    assert_eq!(
        days[0],
        json!({
            "provider": "line", "service": "a#b", "day": "2026-03-01", "calls": 7, "answer_rate": 1.0,
            "talk_minutes": 7.0, "outcomes": { "answered": 7 }, "reasons": { "disconnect_reason:1001": 7 },
        })
    );
    assert_eq!((&days[1]["day"], &days[1]["calls"]), (&json!("2026-03-02"), &json!(8)));
}
