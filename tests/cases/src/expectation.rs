//! What must become of a case: what becomes of the case that it starts from, but for what its row says.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::Case;
use crate::event::object;
use crate::row::Row;

/// The parameters that say why a call ended; records keep them under the same names, numbers as numbers.
const NUMBERS: [&str; 5] = ["call_end_reason", "disconnect_reason", "rel_code", "releaser_type", "terminate"];
const WORDS: [&str; 3] = ["rel_code_str", "releaser", "user_rel_code"];
/// In a table: the call's `reason` holds these parameters as the query has them, and no other.
const AS_SENT: &str = "as sent";

/// What must become of an event that a row makes, of this session.
pub(crate) fn of(row: &Row, base: Option<&Case>, session: Option<&str>) -> Value {
    let inherited =
        |name: &str| base.and_then(|base| base.expected.get(name)).cloned().unwrap_or(Value::Null);
    let status = row.status.map_or_else(|| inherited("status"), Value::from);
    let refused = status != 200;
    let effect = match &row.effect {
        Some(effect) => effect.as_str().into(),
        None if refused => "none".into(),
        None => inherited("effect"),
    };
    let mut expected = Map::from_iter([
        ("status".to_owned(), status),
        ("effect".to_owned(), effect.clone()),
        ("why".to_owned(), row.why.as_str().into()),
    ]);
    if let Some(field) = &row.field {
        expected.insert("field".to_owned(), field.as_str().into());
    }
    let items: &[(&str, &toml::Table)] = match effect.as_str() {
        Some("record") => &[("call", &row.call), ("vendor", &row.vendor)],
        Some("job") => &[("job", &row.job)],
        _ => &[],
    };
    for (name, own) in items {
        let mut item = inherited(name);
        if let Some(sid) = session.filter(|_| *name != "vendor") {
            override_with(&mut item, json!({ "sid": sid }));
        }
        if *name == "vendor" {
            override_with(&mut item, kept(row));
        }
        override_with(&mut item, object(own));
        if item.as_object().is_some_and(|item| !item.is_empty()) {
            expected.insert((*name).to_owned(), item);
        }
    }
    Value::Object(expected)
}

/// What a row sets must be kept as it was set, every value as text. `param` is a secret that is not kept.
fn kept(row: &Row) -> Value {
    fn text(value: Value) -> Value {
        match value {
            Value::Array(items) => items.into_iter().map(text).collect(),
            Value::Object(members) => {
                members.into_iter().map(|(name, member)| (name, text(member))).collect()
            }
            Value::Number(number) => number.to_string().into(),
            Value::Bool(_) | Value::String(_) | Value::Null => value,
        }
    }
    let mut set = row.set.clone();
    set.remove("param");
    text(object(&set.into_iter().chain(row.body.clone()).collect()))
}

/// The expectation with its session where a table says `<sid>`, and the reasons where it says "as sent".
pub(crate) fn written_out(mut expected: Value, event: &Value) -> Value {
    let session = expected.pointer("/call/sid").and_then(Value::as_str).unwrap_or_default().to_owned();
    name(&mut expected, &session);
    if let Some(reason) = expected.pointer_mut("/call/reason").filter(|reason| **reason == AS_SENT) {
        *reason = as_sent(event);
    }
    expected
}

fn name(value: &mut Value, sid: &str) {
    match value {
        Value::String(text) => *text = text.replace("<sid>", sid),
        Value::Array(items) => items.iter_mut().for_each(|item| name(item, sid)),
        Value::Object(members) => members.values_mut().for_each(|member| name(member, sid)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What the query says of the reason, as records keep it.
fn as_sent(event: &Value) -> Value {
    let query = event.get("rawQueryString").and_then(Value::as_str).unwrap_or_default();
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
    let sent: Map<String, Value> = parameters
        .map(|(name, value)| (decoded(name), decoded(value)))
        .filter_map(|(name, value)| {
            let number = || value.parse::<i64>().ok().map(Value::from);
            let kept = if NUMBERS.contains(&name.as_str()) { number() } else { Some(value.clone().into()) };
            let known = NUMBERS.contains(&name.as_str()) || WORDS.contains(&name.as_str());
            kept.filter(|_| known && !value.is_empty()).map(|kept| (name, kept))
        })
        .collect();
    if sent.is_empty() {
        return Value::Null;
    }
    let reason = |name: &&str| ((*name).to_owned(), sent.get(*name).cloned().unwrap_or(Value::Null));
    NUMBERS.iter().chain(&WORDS).map(reason).collect()
}

/// Objects are merged member by member; anything else of the second takes the place of the first.
pub(crate) fn override_with(first: &mut Value, second: Value) {
    match (first, second) {
        (Value::Object(first), Value::Object(second)) => {
            for (name, value) in second {
                override_with(first.entry(name).or_insert(Value::Null), value);
            }
        }
        (first, second) => *first = second,
    }
}
