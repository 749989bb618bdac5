//! Whole calls through the real handlers into what the API of calls shows of them.
use std::collections::BTreeMap;

use ringback::door::callback::Callback;
use ringback::history::rebuild::expected_rows;
use ringback::history::row::UserRow;
use ringback::history::rows::{Layout, Row};
use ringback::lambda::api::{Api, HandledRequest};
use ringback::lambda::handler::Handler;
use ringback::lambda::history::HistoryApi;
use ringback::testing::calls::MemoryCalls;
use ringback::testing::{ARRIVAL, DeadTopic, MemoryTable, Sample, block_on, recorder};
use ringback_cases::Call;
use serde_json::{Map, Value, json};

/// What the tables hold after a call, and the rows of its users by their partitions.
fn played(call: &Call) -> (MemoryCalls, BTreeMap<String, UserRow>) {
    let table = MemoryTable::default();
    for step in &call.steps {
        for callback in Callback::ALL.into_iter().filter(|callback| callback.route.binary() == step.function)
        {
            let sample = Sample { name: step.what.clone(), event: step.event.clone(), expected: Value::Null };
            block_on(recorder(callback, &table, DeadTopic).handle(sample.request(), ARRIVAL));
        }
    }
    let items: Vec<Map<String, Value>> =
        table.items().into_values().map(|item| item.attributes().clone()).collect();
    let layout = Layout { shards: 1, ..Layout::default() };
    let (calls, mut users) = (MemoryCalls::default(), BTreeMap::new());
    for ((partition, sort), row) in expected_rows(&items, &layout).0 {
        calls.put(partition.clone(), sort, &row);
        if let Row::User(row) = row {
            users.insert(partition, row.with_talk());
        }
    }
    items.into_iter().for_each(|item| calls.put_record(Value::Object(item)));
    (calls, users)
}

fn show(api: &HistoryApi<MemoryCalls>, path: &str, query: &str) -> Value {
    let event = json!({
        "rawPath": path, "rawQueryString": query,
        "requestContext": { "http": { "method": "GET" }, "authorizer": { "iam": { "accountId": "1" } } },
    });
    let event = serde_json::from_value(event).unwrap();
    let answer = block_on(api.handle(&event, ARRIVAL)).answer(&event);
    assert_eq!(answer.status, 200, "{path}: {:?}", answer.body);
    serde_json::from_str(&answer.body.unwrap().1).unwrap()
}

/// The service and the user of a partition.
fn ids(partition: &str) -> [String; 2] {
    let decoded = |part: &str| part.replace("%23", "#").replace("%25", "%");
    let parts: Vec<&str> = partition.split('#').collect();
    [decoded(parts[2]), decoded(parts[3])]
}

#[test]
fn a_call_shows_of_each_person_what_that_person_sees() {
    let mut seen = 0;
    for call in ringback_cases::calls().unwrap() {
        let (calls, users) = played(&call);
        let api = HistoryApi::new(calls, None, 2);
        for (partition, row) in users {
            let [service, user] = ids(&partition);
            let query = format!("provider={}", row.provider);
            let list = show(&api, &format!("/users/{service}/{user}/calls"), &query);
            let own = list["calls"].as_array().unwrap().iter().find(|own| own["sid"] == row.sid.as_str());
            let own = own.unwrap_or_else(|| panic!("{}: {user} has no such call", call.name));
            let details = show(&api, &format!("/calls/{}", row.sid), "");
            let people = details["participants"].as_array().unwrap();
            let part = people.iter().find(|part| part["user_id"] == user.as_str());
            let part = part.unwrap_or_else(|| panic!("{}: {user} is no participant", call.name));
            for member in ["outcome", "missed", "talk_s"] {
                assert_eq!(part.get(member), own.get(member), "{}: {member} of {user}", call.name);
            }
            seen += 1;
        }
    }
    assert!(seen > 50, "only {seen} people were compared");
}

#[test]
fn a_participant_of_a_tencent_group_has_an_outcome_of_their_own() {
    let differing = ringback_cases::calls().unwrap().into_iter().filter(|call| {
        let (calls, users) = played(call);
        let Some(row) = users.into_values().next() else { return false };
        let details = show(&HistoryApi::new(calls, None, 2), &format!("/calls/{}", row.sid), "");
        let people = details["participants"].as_array().unwrap();
        let outcomes: Vec<_> = people.iter().filter_map(|part| part["outcome"].as_str()).collect();
        let differ = outcomes.contains(&"answered") && outcomes.iter().any(|outcome| *outcome != "answered");
        differ && details["provider"] == "tencent" && details["kind"] == "group"
    });
    assert!(differing.count() > 0, "no group was answered by some and not by others");
}
