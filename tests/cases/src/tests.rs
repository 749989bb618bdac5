use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn files(folder: &std::path::Path) -> Vec<String> {
    let mut files = Vec::new();
    for function in table::folder(folder).unwrap() {
        for file in table::folder(&function).unwrap() {
            let case = file.with_extension("");
            files.push(case.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
        }
    }
    files
}

#[test]
fn every_whole_event_has_an_expectation_and_a_person_can_read_them_all() {
    let whole: Vec<String> =
        all().unwrap().into_iter().filter(|case| case.whole).map(|case| case.name).collect();
    assert_eq!(whole, files(&events()));
    assert!(whole.len() <= 60, "{} files in events/", whole.len());
}

#[test]
fn every_case_and_every_call_says_why() {
    for case in all().unwrap() {
        assert!(case.expected["why"].as_str().is_some_and(|why| why.ends_with('.')), "{}", case.name);
    }
    for call in calls().unwrap() {
        assert!(call.why.ends_with('.'), "{}", call.name);
    }
}

#[test]
fn every_case_expects_a_status_and_an_effect() {
    for case in all().unwrap() {
        assert!(case.expected["status"].is_u64(), "{}", case.name);
        assert!(
            ["record", "job", "none"].contains(&case.expected["effect"].as_str().unwrap()),
            "{}",
            case.name
        );
    }
}

/// What a function can see of an event.
const SEEN: [&str; 7] = [
    "/rawPath",
    "/rawQueryString",
    "/body",
    "/isBase64Encoded",
    "/headers/content-type",
    "/requestContext/http",
    "/Records",
];

#[test]
fn no_two_rows_send_the_same() {
    let mut known = BTreeMap::new();
    for case in all().unwrap().into_iter().filter(|case| !case.whole) {
        let seen = SEEN.map(|place| case.event.pointer(place));
        let text = format!("{} {seen:?}", case.function()).replace(&event::session(&case.name), "SID");
        if let Some(other) = known.insert(text, case.name.clone()) {
            panic!("{} and {other} are the same", case.name);
        }
    }
}

#[test]
fn each_recorded_case_is_a_call_of_its_own_unless_its_row_says_otherwise() {
    let cases = Cases::read().unwrap();
    let mut calls = BTreeSet::new();
    for name in cases.rows.iter().filter(|(_, row)| row.sid.is_none() && !row.same_call).map(|(name, _)| name)
    {
        let case = cases.case(name).unwrap();
        if let Some(sid) = case.expected.pointer("/call/sid").filter(|_| !case.whole) {
            assert!(calls.insert(sid.to_string()), "{name} is about the call of another case, {sid}");
        }
    }
}

#[test]
fn a_told_call_is_made_of_whole_events() {
    let whole: Vec<Value> =
        all().unwrap().into_iter().filter(|case| case.whole).map(|case| case.event).collect();
    let told: Vec<Call> = calls().unwrap().into_iter().filter(|call| call.told).collect();
    assert!((6..=10).contains(&told.len()), "{} calls are told", told.len());
    for step in told.iter().flat_map(|call| &call.steps) {
        assert!(whole.contains(&step.event), "{}", step.what);
    }
}

#[test]
fn names_are_not_used_twice() {
    let mut names = BTreeSet::new();
    for call in calls().unwrap() {
        assert!(names.insert(call.name.clone()), "{}", call.name);
    }
    // Two rows of one name are refused when the tables are read.
    assert!(all().is_ok());
}

#[test]
fn a_whole_event_is_consistent_as_api_gateway_sends_it() {
    for case in all().unwrap().into_iter().filter(|case| case.whole && case.function() != "replay") {
        let text = |place: &str| case.event.pointer(place).and_then(Value::as_str).unwrap_or_default();
        let decoded =
            |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
        let sent: BTreeMap<String, String> = text("/rawQueryString")
            .split('&')
            .map(|parameter| parameter.split_once('=').unwrap())
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect();
        assert_eq!(case.event["queryStringParameters"], serde_json::json!(sent), "{}", case.name);
        assert_eq!(text("/rawPath"), text("/requestContext/http/path"), "{}", case.name);
        assert_eq!(text("/headers/x-forwarded-for"), text("/requestContext/http/sourceIp"), "{}", case.name);
        if case.event.get("body").is_some() {
            assert_eq!(text("/headers/content-length"), text("/body").len().to_string(), "{}", case.name);
        }
    }
}
