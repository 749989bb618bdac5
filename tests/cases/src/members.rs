//! A JSON object as text: members keep their order and spelling, so a case changes only what its row names.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use toml::{Table, Value};

use crate::event::plain;
use crate::{ABSENT, Wrong};

/// The members of an object, each as the JSON text that it is.
struct Members(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some((name, text)) = map.next_entry::<String, Box<RawValue>>()? {
                    members.push((name, text.get().to_owned()));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl Members {
    fn text(&self) -> String {
        let members: Vec<String> =
            self.0.iter().map(|(name, text)| format!("{}:{text}", quoted(name))).collect();
        format!("{{{}}}", members.join(","))
    }

    fn put(&mut self, name: &str, text: String) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = text,
            None => self.0.push((name.to_owned(), text)),
        }
    }
}

/// A body with some of its members changed. A table within a table changes members of members.
/// With `raw`, texts are JSON as they stand.
pub(crate) fn change(body: &str, changes: &Table, raw: bool) -> Result<String, Wrong> {
    if changes.is_empty() {
        return Ok(body.to_owned());
    }
    let mut members: Members =
        serde_json::from_str(body).map_err(|error| Wrong(format!("{body}: {error}")))?;
    for (name, value) in changes {
        let old = members.0.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone());
        match (value, old) {
            (Value::String(text), _) if text == ABSENT => members.0.retain(|(known, _)| known != name),
            (Value::String(text), _) if raw => members.put(name, text.clone()),
            (Value::Table(inner), Some(old)) if old.starts_with('{') => {
                members.put(name, change(&old, inner, raw)?)
            }
            (value, _) => members.put(name, json(value)),
        }
    }
    Ok(members.text())
}

/// A value of a table as JSON, in the table's order.
fn json(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(",")),
        Value::Table(table) => {
            Members(table.iter().map(|(name, value)| (name.clone(), json(value))).collect()).text()
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
            plain(value).to_string()
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_keeps_order_and_spelling_of_everything_else() {
        let changes = toml::from_str("C = '-'\nA.x = 2\nNew = ['é']\n").unwrap();
        assert_eq!(
            change(r#"{"B":1.50,"A":{"x":1},"C":0}"#, &changes, false).unwrap(),
            r#"{"B":1.50,"A":{"x":2},"New":["é"]}"#
        );
        let changes = toml::from_str(r"B = 'null'").unwrap();
        assert_eq!(change(r#"{"B":1}"#, &changes, true).unwrap(), r#"{"B":null}"#);
    }
}
