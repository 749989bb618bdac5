//! The peers do what they are compared for: each plays every case of `call-event`, and answers and records
//! must be those that the cases expect. What is not right is not measured.
// What JSON does not have is null.
#![allow(clippy::indexing_slicing)]

use anyhow::{Result, ensure};
use serde_json::{Number, Value};

use crate::aws::Aws;
use crate::process::{Place, Running};
use crate::subject::{Bench, COMPARED, Kind, Subject};
use crate::table::Item;

/// The same callback as an earlier case.
const SENT_AGAIN: &str = "answered-call-sent-again";
/// What the functions on Node and Python let pass or read otherwise: bounds, bytes that are not UTF-8,
/// session ids that could be two, a family of codes that comes as a word only.
const NOT_READ_ALIKE: &str = "129-parameters app-data-not-utf8 duration-huge name-of-257-bytes numbers-huge \
    query-of-32769-bytes rel-code-2-cancel-word-only rel-code-3-reject-word-only \
    rel-code-4-user-busy-word-only rel-code-5-no-answer-word-only \
    rel-code-6-other-device-in-use-word-only rel-code-7-answered-on-other-device-word-only \
    rel-code-8-rejected-on-other-device-word-only rel-code-205-push-error-word-only \
    sid-not-utf8 sid-repeated-with-another-value sid-with-encoded-control-character \
    sid-with-encoded-line-break sid-with-raw-control-character value-of-16385-bytes";

/// Plays every case to every peer among the subjects. The stock build is Ringback's own handler and must read
/// them all.
pub fn check(bench: &Bench, aws: &Aws, subjects: &[Subject]) -> Result<()> {
    let peers = subjects.iter().filter(|it| matches!(it.kind, Kind::Stock | Kind::Node | Kind::Python));
    for peer in peers {
        let log = bench.scratch().join(format!("log/{}-checked.log", peer.name));
        let running = Running::start(peer, log, &bench.cores, Place::OnTheFunctionsCore)?;
        aws.table().clear();
        let mut wrong = Vec::new();
        for (case, expected) in bench.cases().expected(COMPARED)? {
            if peer.kind == Kind::Stock || !NOT_READ_ALIKE.split(' ').any(|known| known == case) {
                let event = bench.cases().event(COMPARED, &case)?;
                wrong.extend(play(aws, &running, &case, &event, &expected)?);
            }
        }
        ensure!(
            wrong.is_empty(),
            "{} reads {} cases otherwise:\n{}",
            peer.name,
            wrong.len(),
            wrong.join("\n")
        );
    }
    Ok(())
}

/// Plays a case; says what is wrong about its answer or records.
fn play(aws: &Aws, peer: &Running, case: &str, event: &Value, expected: &Value) -> Result<Option<String>> {
    let requests = aws.table().usage.requests;
    let sid = expected["call"]["sid"].as_str().unwrap_or_default();
    let before = aws.table().partition(sid);
    let (answer, _) = peer.hand_over(&event.to_string())?;
    let mut now = aws.table().partition(sid);
    let requests = aws.table().usage.requests - requests;
    let wrong = |what: String| Ok(Some(format!("{case}: {what}")));
    if answer["statusCode"] != expected["status"] {
        return wrong(format!("answered {answer}"));
    }
    if expected["effect"] != "record" {
        return if requests == 0.0 { Ok(None) } else { wrong(format!("{requests} requests")) };
    }
    if case == SENT_AGAIN {
        let is_duplicate = answer["body"].as_str().is_some_and(|body| body.contains("duplicate"));
        return if is_duplicate && now == before { Ok(None) } else { wrong(format!("answered {answer}")) };
    }
    let call = now.remove("call").map(plain_item).unwrap_or_default();
    now.retain(|key, _| !before.contains_key(key));
    let Some((_, written)) = now.pop_first().filter(|_| now.is_empty()) else {
        return wrong("no event".to_owned());
    };
    if before.is_empty() && requests != 2.0 {
        return wrong(format!("{requests} requests"));
    }
    if !holds(&call, &expected["call"]) {
        return wrong(format!("the call is {call}, not {}", expected["call"]));
    }
    let written = plain_item(written);
    if written["callback"] != "call_event"
        || written["what"] != "ended"
        || !has_parameters(&written["vendor"], event)
    {
        return wrong(format!("the event is {written}"));
    }
    Ok(None)
}

/// An item as JSON, without the letters of DynamoDB's types.
fn plain_item(item: Item) -> Value {
    item.into_iter().map(|(name, value)| (name, plain(value))).collect()
}

fn plain(attribute: Value) -> Value {
    let typed = match attribute {
        Value::Object(typed) => typed.into_iter().next(),
        _ => None,
    };
    match typed {
        Some((letter, Value::String(number))) if letter == "N" => {
            number.parse::<Number>().map_or(Value::Null, Value::from)
        }
        Some((_, Value::Object(members))) => plain_item(members),
        Some((_, Value::Array(elements))) => elements.into_iter().map(plain).collect(),
        Some((_, other)) => other,
        None => Value::Null,
    }
}

/// Whether a value is as expected. An object must hold what is named, and not hold what is expected to be
/// null.
fn holds(value: &Value, expected: &Value) -> bool {
    match expected.as_object() {
        Some(members) if value.is_object() => {
            members.iter().all(|(name, member)| holds(&value[name], member))
        }
        _ => value == expected,
    }
}

/// Whether every parameter of the query is there as it was sent; those that need decoding are left out of
/// this.
fn has_parameters(vendor: &Value, event: &Value) -> bool {
    let query = event["rawQueryString"].as_str().unwrap_or_default();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let plain =
        pairs.filter(|(name, value)| !name.is_empty() && ![*name, *value].concat().contains(['%', '+']));
    let mut kept = plain.filter(|(name, _)| !["param", "cc_param"].contains(name));
    kept.all(|(name, value)| match &vendor[name] {
        Value::Array(values) => values.contains(&value.into()),
        one => one == value,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_item_holds_what_is_expected_when_it_has_it_and_lacks_what_is_null() {
        let item =
            json!({ "n": { "N": "12" }, "m": { "M": { "l": { "L": [{ "S": "a" }, { "BOOL": true }] } } } });
        let item = plain_item(item.as_object().unwrap().clone());
        assert_eq!(item, json!({ "n": 12, "m": { "l": ["a", true] } }));
        assert!(holds(&item, &json!({ "m": { "l": ["a", true], "x": null }, "y": null })));
        assert!(!holds(&item, &json!({ "n": null })) && !holds(&item, &json!({ "m": { "l": ["a"] } })));
    }

    #[test]
    fn a_parameter_that_is_missing_or_changed_is_noticed() {
        let event = json!({ "rawQueryString": "sid=a&who=b&who=c&param=secret" });
        assert!(has_parameters(&json!({ "sid": "a", "who": ["b", "c"] }), &event));
        assert!(!has_parameters(&json!({ "sid": "a", "who": "b" }), &event));
        assert!(!has_parameters(&json!({ "who": ["b", "c"] }), &event));
    }
}
