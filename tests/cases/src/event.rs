//! From one whole event to another: the query, the body, and what is around them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use toml::Table;

use crate::row::Row;
use crate::{ABSENT, Wrong, members, notation};

/// What RFC 3986 lets stand in a query unencoded whatever it means.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Where Tencent's generations say which call they are about.
const CALL_IDS: [&str; 3] = ["/CallId", "/CallInfo/CallId", "/CallRecord/CallId"];
/// The message of a batch that its rows start from.
const MESSAGE: &str = "/Records/0/body";

/// The session of an event, where it names one.
pub(crate) fn sid(event: &Value) -> Option<String> {
    if let Some(message) = event.pointer(MESSAGE).and_then(Value::as_str) {
        return Some(serde_json::from_str::<Value>(message).ok()?.get("sid")?.as_str()?.to_owned());
    }
    let query = event.get("rawQueryString").and_then(Value::as_str).unwrap_or_default();
    let in_query = query.split('&').find_map(|parameter| parameter.strip_prefix("sid="));
    if let Some(sid) = in_query {
        return Some(percent_decode_str(sid).decode_utf8().ok()?.into_owned());
    }
    let body: Value = serde_json::from_str(event.get("body")?.as_str()?).ok()?;
    CALL_IDS.iter().find_map(|place| body.pointer(place)?.as_str().map(str::to_owned))
}

/// The event that a row makes of another one.
pub(crate) fn change(base: &Value, row: &Row, name: &str) -> Result<Value, Wrong> {
    let mut event = base.clone();
    let Value::Object(fields) = &mut event else {
        return Err(Wrong("the event is not an object".to_owned()));
    };
    let sids = renamed(base, row, name);
    let row = &named(row, sids.as_ref().map(|(_, new)| new.as_str()));
    if fields.contains_key("Records") {
        change_batch(fields, row, &sids)?;
        return Ok(event);
    }
    let text = |name: &str| base.get(name).and_then(Value::as_str).unwrap_or_default();

    let query = change_query(&rename(text("rawQueryString"), &sids), row);
    if query != text("rawQueryString") {
        fields.insert("rawQueryString".to_owned(), query.into());
        // A copy that no function reads.
        fields.remove("queryStringParameters");
    }
    change_body(fields, &rename(text("body"), &sids), row)?;
    change_http(fields, row, text("rawPath"));
    let headers: Map<String, Value> =
        row.headers.iter().map(|(name, value)| (name.clone(), plain(value))).collect();
    merge(fields, &Map::from_iter([("headers".to_owned(), Value::Object(headers))]));
    Ok(event)
}

/// The row with its own session where it says `<sid>`.
fn named(row: &Row, sid: Option<&str>) -> Row {
    let mut row = row.clone();
    let mut name = |text: &mut String| *text = text.replace("<sid>", sid.unwrap_or_default());
    row.query.iter_mut().chain(&mut row.text).for_each(&mut name);
    for (_, value) in &mut row.raw_body {
        if let toml::Value::String(text) = value {
            name(text);
        }
    }
    row
}

/// The session that the event names, and the one that it has to name.
pub(crate) fn renamed(base: &Value, row: &Row, name: &str) -> Option<(String, String)> {
    let old = sid(base)?;
    let new = match &row.sid {
        _ if row.same_call => old.clone(),
        Some(sid) => sid.clone(),
        None => session(name),
    };
    Some((old, new))
}

fn rename(text: &str, sids: &Option<(String, String)>) -> String {
    sids.as_ref().map_or_else(|| text.to_owned(), |(old, new)| text.replace(old, new))
}

/// The session of a case: Tencent's CallIds are any text, LINE's are UUIDs.
pub(crate) fn session(name: &str) -> String {
    name.strip_prefix("tencent-call-event/").map_or_else(|| uuid(name), |case| format!("example-{case}"))
}

/// A UUID that is the same each time for the same name.
pub(crate) fn uuid(name: &str) -> String {
    let digest = Sha256::digest(name);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
}

fn change_query(query: &str, row: &Row) -> String {
    let mut parameters: Vec<(String, String)> = query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut put = |name: &str, value: Option<String>| {
        let place = parameters.iter().position(|(known, _)| known == name);
        match (value, place.and_then(|place| parameters.get_mut(place))) {
            (Some(value), Some((_, old))) => *old = value,
            (Some(value), None) => parameters.push((name.to_owned(), value)),
            (None, _) => parameters.retain(|(known, _)| known != name),
        }
    };
    for (changes, encoded) in [(&row.set, false), (&row.raw, true)] {
        for (name, value) in changes {
            let text = words(value);
            let value = if encoded { text.clone() } else { encode(&notation::expand_text(&text)) };
            let name = if encoded { name.clone() } else { encode(&notation::expand_text(name)) };
            put(&name, (text != ABSENT).then_some(value));
        }
    }
    let made: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let query = row.query.as_deref().unwrap_or("<query>").replace("<query>", &made.join("&"));
    notation::expand_text(&query)
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn change_body(fields: &mut Map<String, Value>, body: &str, row: &Row) -> Result<(), Wrong> {
    let body = members::change(body, &row.body, false)?;
    let body = members::change(&body, &row.raw_body, true)?;
    let text = row.text.as_deref().unwrap_or("<body>");
    if text == ABSENT || (body.is_empty() && row.text.is_none()) {
        fields.remove("body");
        return Ok(());
    }
    let bytes = notation::expand(&text.replace("<body>", &body));
    if let Some(Value::Object(headers)) = fields.get_mut("headers") {
        headers.insert("content-length".to_owned(), bytes.len().to_string().into());
    }
    let plain = String::from_utf8(bytes.clone()).ok().filter(|_| !row.base64);
    fields.insert("isBase64Encoded".to_owned(), plain.is_none().into());
    fields.insert("body".to_owned(), plain.unwrap_or_else(|| STANDARD.encode(bytes)).into());
    Ok(())
}

fn change_http(fields: &mut Map<String, Value>, row: &Row, old_path: &str) {
    let path = row.path.as_ref().map(|path| path.replace("<path>", old_path));
    let mut http = Map::new();
    if let Some(method) = &row.method {
        http.insert("method".to_owned(), method.as_str().into());
    }
    if let Some(path) = path {
        http.insert("path".to_owned(), path.as_str().into());
        fields.insert("rawPath".to_owned(), path.into());
        fields.remove("pathParameters");
    }
    merge(fields, &Map::from_iter([("requestContext".to_owned(), json!({ "http": http }))]));
}

/// Puts other messages into a batch, each as its queue would hand it over.
fn change_batch(
    fields: &mut Map<String, Value>,
    row: &Row,
    sids: &Option<(String, String)>,
) -> Result<(), Wrong> {
    let Some(Value::Array(records)) = fields.get_mut("Records") else { return Ok(()) };
    let Some(Value::Object(record)) = records.first().cloned() else {
        return Err(Wrong("a batch of rows starts from a message".to_owned()));
    };
    let old = record.get("body").and_then(Value::as_str).unwrap_or_default();
    let body = members::change(&rename(old, sids), &row.body, false)?;
    let same = ["<body>".to_owned()];
    let messages = row.messages.as_deref().unwrap_or(&same);
    *records = messages
        .iter()
        .zip(1..)
        .map(|(message, number)| {
            let mut record = record.clone();
            record.insert("messageId".to_owned(), format!("00000000-0000-4000-8000-{number:012}").into());
            record.insert("receiptHandle".to_owned(), format!("receipt-{number}").into());
            record.insert("body".to_owned(), message.replace("<body>", &body).into());
            Value::Object(record)
        })
        .collect();
    Ok(())
}

/// A table's value as JSON. What must not be there is null.
pub(crate) fn plain(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) if text == ABSENT => Value::Null,
        toml::Value::String(text) => notation::expand_text(text).into(),
        toml::Value::Array(items) => items.iter().map(plain).collect(),
        toml::Value::Table(table) => object(table),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(truth) => (*truth).into(),
        toml::Value::Datetime(time) => time.to_string().into(),
    }
}

pub(crate) fn object(table: &Table) -> Value {
    Value::Object(table.iter().map(|(name, value)| (notation::expand_text(name), plain(value))).collect())
}

/// A parameter's value: numbers may be written as numbers.
fn words(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| plain(value).to_string(), str::to_owned)
}

/// Objects are merged member by member; null takes away.
fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (name, value) in from {
        match (into.get_mut(name), value) {
            (_, Value::Null) => drop(into.remove(name)),
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            _ => drop(into.insert(name.clone(), value.clone())),
        }
    }
}
