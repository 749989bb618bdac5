//! DynamoDB and SNS behind [`crate::aws`]: one table in memory that decides by conditions and counts what AWS
//! would charge for.
//!
//! It takes the requests that the functions and their peers send and no others. A look-up costs the same in a
//! table of one item and of a million: what grows in a measurement is the function's own. Capacity is
//! computed by the rules of DynamoDB's developer guide. "Item sizes and formats" has the bytes of an item.
//! "DynamoDB read and write operations" has the units: one for each started kilobyte of the larger of old and
//! new item, also where the condition refuses the write.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, bail};
use derive_more::{Add, AddAssign, Div, Sub};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::ringing;
use crate::views::{self, Views};

pub(crate) const UNIT_BYTES: usize = 1_024;
const LARGEST_ITEM_BYTES: usize = 400 * 1_024;

/// An item in DynamoDB's JSON: attributes by name, each value under the letter of its type.
pub type Item = Map<String, Value>;

/// What callbacks used: all of them together or, divided by their number, one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Add, AddAssign, Div, Sub)]
pub struct Usage {
    /// Requests to DynamoDB and SNS.
    pub requests: f64,
    /// Puts that their condition refused.
    pub refused: f64,
    pub write_units: f64,
    pub read_units: f64,
    /// Items that stay in the table.
    pub items: f64,
    pub item_bytes: f64,
    pub published: f64,
    /// Bytes of the requests that publish: the message, its attributes and more.
    pub published_bytes: f64,
    /// Bytes of the answers to the vendor, as the function gives them to Lambda.
    pub answer_bytes: f64,
    pub log_lines: f64,
    /// Without the ends of the lines.
    pub log_bytes: f64,
    pub cpu_us: f64,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub content_type: &'static str,
    pub body: String,
}

#[derive(Default)]
pub struct Table {
    partitions: HashMap<String, BTreeMap<String, Stored>>,
    /// What was asked so far, without what only the function knows.
    pub usage: Usage,
    /// The bodies of the requests that published something.
    pub published: Vec<Vec<u8>>,
    /// The first request that no function should send.
    pub unexpected: Option<String>,
    /// Whether DynamoDB takes nothing.
    pub is_away: bool,
    /// The tables that readers use.
    pub views: Views,
    /// The table's stream since it was last looked at, if it has one: each change as Lambda hands it over.
    pub stream: Option<Vec<String>>,
    changes: u64,
    /// The keys of both providers, for a notify that rings.
    pub keys: [String; 2],
}

/// An item as text: 200,000 of them as trees would take several times the memory.
struct Stored {
    json: Box<str>,
    bytes: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutItem<'a> {
    #[serde(borrow)]
    item: &'a RawValue,
    condition_expression: String,
    #[serde(default)]
    expression_attribute_values: HashMap<String, Value>,
    #[serde(default)]
    return_values_on_condition_check_failure: Option<String>,
}

impl Table {
    /// Takes everything out; what was counted stays counted.
    pub fn clear(&mut self) {
        self.partitions.clear();
        self.published.clear();
    }

    /// The items under a partition key, by sort key.
    pub fn partition(&self, sid: &str) -> BTreeMap<String, Item> {
        let items = self.partitions.get(sid).into_iter().flatten();
        items
            .filter_map(|(sort, stored)| Some((sort.clone(), serde_json::from_str(&stored.json).ok()?)))
            .collect()
    }

    /// Every partition key.
    pub fn sids(&self) -> Vec<String> {
        self.partitions.keys().cloned().collect()
    }

    /// Puts an item without a condition or a cost.
    pub fn preload(&mut self, json: &str) -> Result<()> {
        let (sid, record, bytes) = measured(json)?;
        self.partitions.entry(sid).or_default().insert(record, Stored { json: json.into(), bytes });
        Ok(())
    }

    /// Answers a request: `PutItem` in DynamoDB's protocol, which names the operation in a header, or
    /// `Publish` in SNS's.
    pub fn answer(&mut self, target: Option<&str>, body: &[u8]) -> Reply {
        self.usage.requests += 1.0;
        let operation = target.and_then(|target| target.strip_prefix("DynamoDB_20120810."));
        let answer = match target {
            _ if operation.is_some() && views::is_about(body) => {
                let answer = self.views.answer(operation.unwrap_or_default(), body, &mut self.usage);
                answer.map(|(status, body)| dynamodb(status, body))
            }
            Some("DynamoDB_20120810.PutItem") if self.is_away => Ok(dynamodb(
                400,
                json!({ "__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException" }),
            )),
            Some("DynamoDB_20120810.PutItem") => self.put(body),
            Some("DynamoDB_20120810.Query") => ringing::query(body).map(|devices| dynamodb(200, devices)),
            Some("AmazonSSM.GetParameters") => Ok(dynamodb(200, ringing::parameters(&self.keys))),
            None if body.starts_with(b"Action=PublishBatch&") => Ok(self.publish_batch(body)),
            None => self.publish(body),
            Some(other) => Err(anyhow::anyhow!("{other} is not an operation of the functions")),
        };
        answer.unwrap_or_else(|error| {
            self.unexpected.get_or_insert(format!("{error:#}: {}", String::from_utf8_lossy(body)));
            dynamodb(400, json!({ "__type": "com.amazon.coral.validate#ValidationException" }))
        })
    }

    fn put(&mut self, body: &[u8]) -> Result<Reply> {
        // The guard of a call: each call rings once here, so no condition is ever refused.
        if ringing::is_about_devices(body) {
            self.usage.write_units += 1.0;
            return Ok(dynamodb(200, json!({})));
        }
        let put: PutItem<'_> = serde_json::from_slice(body)?;
        let (sid, record, bytes) = measured(put.item.get())?;
        let partition = self.partitions.entry(sid).or_default();
        let old = partition.get(&record);
        let old_bytes = old.map_or(0, |old| old.bytes);
        self.usage.write_units += old_bytes.max(bytes).div_ceil(UNIT_BYTES) as f64;
        if put.holds(old)? {
            self.usage.items += if old.is_none() { 1.0 } else { 0.0 };
            self.usage.item_bytes += bytes as f64 - old_bytes as f64;
            if let Some(stream) = &mut self.stream {
                self.changes += 1;
                let old = old.map(|old| format!(r#","OldImage":{}"#, old.json)).unwrap_or_default();
                stream.push(format!(
                    r#"{{"dynamodb":{{"SequenceNumber":"{:021}"{old},"NewImage":{}}}}}"#,
                    self.changes, put.item
                ));
            }
            partition.insert(record, Stored { json: put.item.get().into(), bytes });
            return Ok(dynamodb(200, json!({})));
        }
        self.usage.refused += 1.0;
        let mut refusal =
            json!({ "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException" });
        let old = old.filter(|_| put.return_values_on_condition_check_failure.as_deref() == Some("ALL_OLD"));
        if let (Some(refusal), Some(old)) = (refusal.as_object_mut(), old) {
            refusal.insert("Item".to_owned(), serde_json::from_str(&old.json)?);
        }
        Ok(dynamodb(400, refusal))
    }

    fn publish_batch(&mut self, body: &[u8]) -> Reply {
        let messages = form_urlencoded::parse(body).filter(|(name, _)| name.ends_with(".Message")).count();
        self.usage.published += messages as f64;
        self.usage.published_bytes += body.len() as f64;
        let body = "<PublishBatchResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
            <PublishBatchResult><Failed/><Successful/></PublishBatchResult></PublishBatchResponse>";
        Reply { status: 200, content_type: "text/xml", body: body.to_owned() }
    }

    fn publish(&mut self, body: &[u8]) -> Result<Reply> {
        let has =
            |name: &str| form_urlencoded::parse(body).any(|(key, value)| key == name && !value.is_empty());
        if !(body.starts_with(b"Action=Publish&") && has("TopicArn") && has("Message")) {
            bail!("not a message to a topic");
        }
        self.usage.published += 1.0;
        self.usage.published_bytes += body.len() as f64;
        self.published.push(body.to_vec());
        let body = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult>\
            <MessageId>00000000-0000-4000-8000-000000000000</MessageId></PublishResult></PublishResponse>";
        Ok(Reply { status: 200, content_type: "text/xml", body: body.to_owned() })
    }
}

impl PutItem<'_> {
    /// Whether the condition holds for the item under the key. There are three, joined by `OR` at the most.
    fn holds(&self, old: Option<&Stored>) -> Result<bool> {
        let old: Option<HashMap<&str, &RawValue>> =
            old.map(|old| serde_json::from_str(&old.json)).transpose()?;
        let attribute =
            |name: &str| -> Option<Value> { serde_json::from_str(old.as_ref()?.get(name)?.get()).ok() };
        let number = |value: Option<&Value>| value?.get("N")?.as_str()?.parse::<i64>().ok();
        let given = |name: &str| self.expression_attribute_values.get(name);
        let mut holds = false;
        for condition in self.condition_expression.split(" OR ") {
            holds |= match condition {
                "attribute_not_exists(sid)" => old.is_none(),
                "facts = :expected" => {
                    let expected = given(":expected").context("no value for :expected")?;
                    attribute("facts").as_ref() == Some(expected)
                }
                "last_event_at < :at" => number(attribute("last_event_at").as_ref())
                    .is_some_and(|old| number(given(":at")) > Some(old)),
                other => bail!("an unknown condition: {other}"),
            };
        }
        Ok(holds)
    }
}

fn dynamodb(status: u16, body: Value) -> Reply {
    Reply { status, content_type: "application/x-amz-json-1.0", body: body.to_string() }
}

/// Partition key, sort key and bytes of an item that DynamoDB would take.
fn measured(json: &str) -> Result<(String, String, usize)> {
    let item: Item = serde_json::from_str(json)?;
    let key = |name: &str| {
        let text = item.get(name).and_then(|value| value.get("S")).and_then(Value::as_str);
        text.filter(|text| !text.is_empty()).map(str::to_owned).with_context(|| format!("no usable {name}"))
    };
    match item_bytes(&item)? {
        bytes if bytes > LARGEST_ITEM_BYTES => bail!("an item of {bytes} bytes"),
        bytes => Ok((key("sid")?, key("record")?, bytes)),
    }
}

pub(crate) fn item_bytes(item: &Item) -> Result<usize> {
    item.iter().map(|(name, value)| Ok(name.len() + value_bytes(value)?)).sum()
}

fn value_bytes(value: &Value) -> Result<usize> {
    const CONTAINER: usize = 3;
    const ELEMENT: usize = 1;
    let typed = value.as_object().filter(|typed| typed.len() == 1).and_then(|typed| typed.iter().next());
    match typed.map(|(letter, content)| (letter.as_str(), content)) {
        Some(("S", Value::String(text))) => Ok(text.len()),
        // One byte, and one for every two significant digits.
        Some(("N", Value::String(number))) => {
            let digits: String = number.chars().filter(char::is_ascii_digit).collect();
            Ok(1 + digits.trim_start_matches('0').trim_end_matches('0').len().div_ceil(2))
        }
        Some(("NS", Value::Array(numbers))) => {
            numbers.iter().map(|number| value_bytes(&json!({ "N": number }))).sum()
        }
        Some(("SS", Value::Array(texts))) => Ok(texts.iter().filter_map(Value::as_str).map(str::len).sum()),
        Some(("BOOL" | "NULL", Value::Bool(_))) => Ok(1),
        Some(("L", Value::Array(elements))) => {
            elements.iter().try_fold(CONTAINER, |bytes, element| Ok(bytes + ELEMENT + value_bytes(element)?))
        }
        Some(("M", Value::Object(members))) => Ok(CONTAINER + ELEMENT * members.len() + item_bytes(members)?),
        _ => bail!("a value that cannot be measured: {value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(facts: &str) -> Value {
        json!({
            "sid": { "S": "a" }, "record": { "S": "call" },
            "facts": { "S": facts }, "last_event_at": { "N": "5" },
        })
    }

    fn put(table: &mut Table, item: &Value, condition: &str, value: Value) -> (u16, Value) {
        let name = if condition.contains(":at") { ":at" } else { ":expected" };
        let request = json!({
            "Item": item, "ConditionExpression": condition, "ExpressionAttributeValues": { name: value },
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        });
        let reply = table.answer(Some("DynamoDB_20120810.PutItem"), request.to_string().as_bytes());
        (reply.status, serde_json::from_str(&reply.body).unwrap())
    }

    fn put_new(table: &mut Table, item: &Value) -> (u16, Value) {
        put(table, item, "attribute_not_exists(sid)", Value::Null)
    }

    #[test]
    fn an_item_is_replaced_by_a_writer_that_knows_its_facts_or_has_a_later_event() {
        let mut table = Table::default();
        let knows = "facts = :expected";
        assert_eq!(put(&mut table, &call("1"), knows, json!({ "S": "0" })).0, 400, "nothing to compare with");
        let later = "attribute_not_exists(sid) OR last_event_at < :at";
        assert_eq!(put(&mut table, &call("1"), later, json!({ "N": "5" })).0, 200, "nothing there");
        assert_eq!(put(&mut table, &call("2"), knows, json!({ "S": "0" })).0, 400);
        assert_eq!(put(&mut table, &call("2"), knows, json!({ "S": "1" })).0, 200);
        assert_eq!(put(&mut table, &call("3"), later, json!({ "N": "5" })).0, 400);
        assert_eq!(put(&mut table, &call("3"), later, json!({ "N": "10" })).0, 200);
        assert_eq!(
            (table.partition("a")["call"]["facts"].clone(), table.unexpected),
            (json!({ "S": "3" }), None)
        );
    }

    #[test]
    fn a_request_that_no_function_sends_is_refused_and_remembered() {
        let odd = [
            json!({ "Item": call("1"), "ConditionExpression": "size(facts) > :expected" }),
            json!({ "Item": call("1") }),
            json!({ "Item": { "sid": { "S": "a" } }, "ConditionExpression": "attribute_not_exists(sid)" }),
            json!({
                "Item": call(&"x".repeat(LARGEST_ITEM_BYTES)),
                "ConditionExpression": "attribute_not_exists(sid)",
            }),
        ];
        let odd = odd.iter().map(|request| (Some("DynamoDB_20120810.PutItem"), request.to_string()));
        let others =
            [(Some("DynamoDB_20120810.GetItem"), "{}"), (None, "Action=Publish&TopicArn=arn&Message=")];
        for (target, body) in odd.chain(others.map(|(target, body)| (target, body.to_owned()))) {
            let mut table = Table::default();
            assert_eq!(table.answer(target, body.as_bytes()).status, 400, "{body:.100}");
            assert!(table.unexpected.is_some() && table.usage.items == 0.0, "{body:.100}");
        }
    }

    #[test]
    fn an_item_has_the_bytes_of_its_names_and_values_as_the_developer_guide_counts_them() {
        let item = json!({
            "s": { "S": "é" },                                             // 1 + 2
            "n": { "N": "1794211621200" },  // 1 + 1 + 6: eleven digits without the zeros
            "z": { "N": "0" },                                             // 1 + 1
            "f": { "N": "-0.0120" },                                       // 1 + 1 + 1: the digits 12
            "b": { "BOOL": true },                                         // 1 + 1
            "u": { "NULL": true },                                         // 1 + 1
            "l": { "L": [{ "S": "ab" }, { "S": "" }] },                    // 1 + 3 + (1 + 2) + (1 + 0)
            "m": { "M": { "key": { "S": "ab" }, "e": { "M": {} } } },  // 1 + 3 + (1 + 3 + 2) + (1 + 1 + 3)
        });
        assert_eq!(item_bytes(item.as_object().unwrap()).unwrap(), 3 + 8 + 2 + 3 + 2 + 2 + 8 + 15);
    }

    #[test]
    fn a_write_costs_a_unit_for_each_started_kilobyte_of_the_larger_item_refused_or_not() {
        let mut table = Table::default();
        let around = item_bytes(call("").as_object().unwrap()).unwrap();
        let of_bytes = |bytes: usize| call(&"x".repeat(bytes - around));
        let mut cost = |item: &Value| {
            let before = table.usage.write_units;
            (put_new(&mut table, item).0, table.usage.write_units - before)
        };
        assert_eq!(cost(&of_bytes(1_024)), (200, 1.0));
        assert_eq!(cost(&of_bytes(1_025)), (400, 2.0), "the new item is larger");
        assert_eq!(cost(&of_bytes(100)), (400, 1.0), "the old item is larger");
        table.preload(&of_bytes(3_000).to_string()).unwrap();
        assert_eq!(put_new(&mut table, &call("")).0, 400);
        assert_eq!(table.usage.write_units, 7.0);
    }
}
