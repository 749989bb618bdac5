//! DynamoDB's part of the growth and replay runs: one table in memory that decides by conditions and counts what it would charge.
//!
//! It takes the requests that `ringback::aws::store` sends and no others: `PutItem` under a condition made of `attribute_not_exists(a)`, `a = :v`, `AND`, `OR`
//! and parentheses. Anything else is refused, counted as unexpected, and fails the run. A lookup costs the same in a table of one item and of a million, so
//! that what grows in a measurement is the function's own and not the store's.
//!
//! There is no AWS here to ask, so capacity is computed by the rules of DynamoDB's developer guide: "Item sizes and formats"
//! (`CapacityUnitCalculations.html`) for the bytes of an item, "DynamoDB read and write operations" (`read-write-operations.html`) for the units: one for each started
//! kilobyte of the larger of the old and the new item, and the same for a write that its condition refuses.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::aws_stub::{AwsRequest, Reply, Service};

const PUT_ITEM: &str = "DynamoDB_20120810.PutItem";
const UNIT_BYTES: usize = 1_024;
const LARGEST_ITEM_BYTES: usize = 400 * 1_024;

/// An item as DynamoDB's JSON has it: attributes by name, each value under the letter of its type.
pub type Item = Map<String, Value>;

/// What has been asked of the table so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests, whatever came of them.
    pub requests: u64,
    /// Write capacity units.
    pub capacity: u64,
    /// Puts that their condition refused.
    pub refused: u64,
    /// Messages published to SNS: records that the functions gave up on.
    pub published: u64,
    /// Requests that no function should send.
    pub unexpected: u64,
}

impl Counts {
    /// What was asked since an earlier count.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            requests: self.requests - earlier.requests,
            capacity: self.capacity - earlier.capacity,
            refused: self.refused - earlier.refused,
            published: self.published - earlier.published,
            unexpected: self.unexpected - earlier.unexpected,
        }
    }
}

/// The table. SNS is beside it and takes whatever is published.
#[derive(Debug, Default)]
pub struct Table {
    partitions: Mutex<Partitions>,
    requests: AtomicU64,
    capacity: AtomicU64,
    refused: AtomicU64,
    published: AtomicU64,
    unexpected: AtomicU64,
}

/// Items by partition key and then by sort key.
type Partitions = HashMap<String, HashMap<String, Stored>>;

/// An item's attributes, each still text: a condition looks at one of them.
type Attributes<'a> = HashMap<String, &'a RawValue>;

/// An item as text, because 200,000 of them as trees would need several times the memory.
#[derive(Debug)]
struct Stored {
    json: Box<str>,
    bytes: usize,
}

/// Why a request is none that the table takes.
#[derive(Debug, thiserror::Error)]
pub enum Unacceptable {
    /// Not the JSON of a `PutItem`.
    #[error("the request is no PutItem")]
    NoPutItem(#[from] serde_json::Error),
    /// Without one of its keys.
    #[error("the item has no usable {0}")]
    KeyMissing(&'static str),
    /// With a value of a type that the functions do not send.
    #[error("the item holds a value that cannot be measured")]
    UnknownType,
    /// Past DynamoDB's bound.
    #[error("the item has {0} bytes")]
    TooLarge(usize),
    /// Another operation than `PutItem` and `Publish`.
    #[error("the functions send no such request")]
    UnknownOperation,
    /// A condition that is not understood.
    #[error("the condition cannot be read: {0}")]
    UnknownCondition(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutItem<'a> {
    #[serde(borrow)]
    item: &'a RawValue,
    #[serde(default)]
    condition_expression: Option<String>,
    #[serde(default)]
    expression_attribute_names: HashMap<String, String>,
    #[serde(default)]
    expression_attribute_values: HashMap<String, Value>,
    #[serde(default)]
    return_values_on_condition_check_failure: Option<String>,
}

impl Table {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// What has been asked so far.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Counts {
            requests: read(&self.requests),
            capacity: read(&self.capacity),
            refused: read(&self.refused),
            published: read(&self.published),
            unexpected: read(&self.unexpected),
        }
    }

    /// Puts an item past all counting, to begin with a full table.
    ///
    /// # Errors
    /// [`Unacceptable`] when it is none that a function could have put.
    pub fn preload(&self, item: &Item) -> Result<(), Unacceptable> {
        let (partition, sort) = key_of(item)?;
        let stored = Stored { json: serde_json::to_string(item)?.into(), bytes: measured(item)? };
        self.lock().entry(partition).or_default().insert(sort, stored);
        Ok(())
    }

    /// Takes everything out; what was counted stays counted.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.lock().values().map(HashMap::len).sum()
    }

    /// The bytes of all items.
    pub fn bytes(&self) -> usize {
        self.lock().values().flat_map(HashMap::values).map(|stored| stored.bytes).sum()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The items of a partition, by sort key.
    pub fn partition(&self, partition: &str) -> BTreeMap<String, Item> {
        let partitions = self.lock();
        let items = partitions.get(partition).into_iter().flatten();
        items.filter_map(|(sort, stored)| Some((sort.clone(), serde_json::from_str(&stored.json).ok()?))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Partitions> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_item(&self, body: &[u8]) -> Result<Reply, Unacceptable> {
        let put: PutItem<'_> = serde_json::from_slice(body)?;
        let item: Item = serde_json::from_str(put.item.get())?;
        let (partition, sort) = key_of(&item)?;
        let stored = Stored { json: put.item.get().into(), bytes: measured(&item)? };
        let condition = put.condition_expression.as_deref().map(|text| Condition::read(text, &put)).transpose()?;

        let mut partitions = self.lock();
        let old = partitions.get(&partition).and_then(|items| items.get(&sort));
        let old_bytes = old.map_or(0, |old| old.bytes);
        self.capacity.fetch_add(units(old_bytes.max(stored.bytes)), Ordering::SeqCst);
        let old_attributes = old.map(|old| serde_json::from_str(&old.json)).transpose()?;
        if condition.is_none_or(|condition| condition.holds(old_attributes.as_ref())) {
            partitions.entry(partition).or_default().insert(sort, stored);
            return Ok(Reply::dynamodb(200, "{}".to_owned()));
        }
        self.refused.fetch_add(1, Ordering::SeqCst);
        let shows_the_old = put.return_values_on_condition_check_failure.as_deref() == Some("ALL_OLD");
        Ok(refusal(old.filter(|_| shows_the_old)))
    }
}

impl Service for Table {
    fn answer(&self, request: &AwsRequest) -> Reply {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let put = match request.target.as_deref() {
            Some(PUT_ITEM) => self.put_item(&request.body),
            None if request.body.starts_with(b"Action=Publish&") => {
                self.published.fetch_add(1, Ordering::SeqCst);
                return Reply::published();
            }
            _ => Err(Unacceptable::UnknownOperation),
        };
        put.unwrap_or_else(|error| {
            self.unexpected.fetch_add(1, Ordering::SeqCst);
            let refused =
                json!({ "__type": "com.amazon.coral.validate#ValidationException", "message": error.to_string() });
            Reply::dynamodb(400, refused.to_string())
        })
    }
}

fn refusal(old: Option<&Stored>) -> Reply {
    let kind = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
    let item = old.map(|old| format!(r#","Item":{}"#, old.json)).unwrap_or_default();
    Reply::dynamodb(400, format!(r#"{{"__type":"{kind}","message":"The conditional request failed"{item}}}"#))
}

/// What a condition asks of the item under the key.
#[derive(Debug, PartialEq)]
enum Condition {
    /// `attribute_not_exists(a)`: so it is when there is no item.
    NotExists(String),
    /// `a = :v`: as DynamoDB has it, type and value.
    Equals(String, Value),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

impl Condition {
    fn read(text: &str, put: &PutItem<'_>) -> Result<Self, Unacceptable> {
        let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('=', " = ");
        let mut reader = ConditionReader { words: spaced.split_whitespace().collect(), put };
        reader.words.reverse();
        let unknown = || Unacceptable::UnknownCondition(text.to_owned());
        let condition = reader.any().ok_or_else(unknown)?;
        if reader.words.is_empty() { Ok(condition) } else { Err(unknown()) }
    }

    fn holds(&self, item: Option<&Attributes<'_>>) -> bool {
        let attribute = |name: &String| item.and_then(|item| item.get(name));
        match self {
            Self::NotExists(name) => attribute(name).is_none(),
            Self::Equals(name, value) => {
                attribute(name).and_then(|text| serde_json::from_str::<Value>(text.get()).ok()).as_ref() == Some(value)
            }
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(item)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(item)),
        }
    }
}

/// Reads a condition from left to right; its words are kept the other way round, the next one last. `AND` binds closer than `OR`.
struct ConditionReader<'a> {
    words: Vec<&'a str>,
    put: &'a PutItem<'a>,
}

impl<'a> ConditionReader<'a> {
    fn any(&mut self) -> Option<Condition> {
        let mut conditions = vec![self.all()?];
        while self.next_is("OR") {
            conditions.push(self.all()?);
        }
        Some(one_or(Condition::Any, conditions))
    }

    fn all(&mut self) -> Option<Condition> {
        let mut conditions = vec![self.one()?];
        while self.next_is("AND") {
            conditions.push(self.one()?);
        }
        Some(one_or(Condition::All, conditions))
    }

    fn one(&mut self) -> Option<Condition> {
        match self.words.pop()? {
            "(" => self.any().filter(|_| self.next_is(")")),
            "attribute_not_exists" => {
                let name = if self.next_is("(") { self.name()? } else { return None };
                self.next_is(")").then_some(Condition::NotExists(name))
            }
            word => {
                self.words.push(word);
                let name = self.name()?;
                let value = if self.next_is("=") { self.words.pop()? } else { return None };
                Some(Condition::Equals(name, self.put.expression_attribute_values.get(value)?.clone()))
            }
        }
    }

    /// An attribute's name, or the placeholder of one.
    fn name(&mut self) -> Option<String> {
        let word = self.words.pop()?;
        let is_a_name = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_a_name { Some(word.to_owned()) } else { self.put.expression_attribute_names.get(word).cloned() }
    }

    fn next_is(&mut self, word: &str) -> bool {
        self.words.pop_if(|next| *next == word).is_some()
    }
}

fn one_or(several: fn(Vec<Condition>) -> Condition, mut conditions: Vec<Condition>) -> Condition {
    match conditions.pop() {
        Some(only) if conditions.is_empty() => only,
        last => several(conditions.into_iter().chain(last).collect()),
    }
}

/// Partition and sort key.
fn key_of(item: &Item) -> Result<(String, String), Unacceptable> {
    let part = |name: &'static str| {
        let text = item.get(name).and_then(|value| value.get("S")).and_then(Value::as_str);
        text.filter(|text| !text.is_empty()).map(str::to_owned).ok_or(Unacceptable::KeyMissing(name))
    };
    Ok((part("sid")?, part("record")?))
}

/// Write capacity units of so many bytes.
fn units(bytes: usize) -> u64 {
    bytes.div_ceil(UNIT_BYTES).max(1) as u64
}

/// The bytes of an item that DynamoDB would take.
fn measured(item: &Item) -> Result<usize, Unacceptable> {
    match item_bytes(item)? {
        bytes if bytes > LARGEST_ITEM_BYTES => Err(Unacceptable::TooLarge(bytes)),
        bytes => Ok(bytes),
    }
}

fn item_bytes(item: &Item) -> Result<usize, Unacceptable> {
    item.iter().map(|(name, value)| Ok(name.len() + value_bytes(value)?)).sum()
}

fn value_bytes(value: &Value) -> Result<usize, Unacceptable> {
    const CONTAINER: usize = 3;
    const ELEMENT: usize = 1;
    let typed = value.as_object().filter(|typed| typed.len() == 1).and_then(|typed| typed.iter().next());
    match typed.map(|(letter, content)| (letter.as_str(), content)) {
        Some(("S", Value::String(text))) => Ok(text.len()),
        Some(("N", Value::String(number))) => Ok(number_bytes(number)),
        Some(("BOOL" | "NULL", Value::Bool(_))) => Ok(1),
        Some(("L", Value::Array(elements))) => {
            elements.iter().try_fold(CONTAINER, |bytes, element| Ok(bytes + ELEMENT + value_bytes(element)?))
        }
        Some(("M", Value::Object(members))) => Ok(CONTAINER + ELEMENT * members.len() + item_bytes(members)?),
        _ => Err(Unacceptable::UnknownType),
    }
}

/// One byte, and one for every two significant digits.
fn number_bytes(number: &str) -> usize {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let significant = digits.trim_start_matches('0').trim_end_matches('0').len();
    1 + significant.div_ceil(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(table: &Table, request: &Value) -> (u16, Value) {
        let request = AwsRequest { target: Some(PUT_ITEM.to_owned()), body: request.to_string().into_bytes() };
        let reply = table.answer(&request);
        (reply.status, serde_json::from_str(&reply.body).unwrap())
    }

    fn call(facts: &str) -> Value {
        json!({ "sid": { "S": "a" }, "record": { "S": "call" }, "facts": { "S": facts } })
    }

    fn put_if_new(table: &Table, item: &Value) -> (u16, Value) {
        let condition = "attribute_not_exists(sid)";
        ask(
            table,
            &json!({
                "TableName": "t", "Item": item, "ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }),
        )
    }

    fn put_over(table: &Table, expected: &str, item: &Value) -> (u16, Value) {
        ask(
            table,
            &json!({
                "TableName": "t", "Item": item, "ConditionExpression": "facts = :expected",
                "ExpressionAttributeValues": { ":expected": { "S": expected } }, "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }),
        )
    }

    #[test]
    fn an_item_that_is_there_refuses_a_new_one_and_comes_with_the_refusal() {
        let table = Table::new();
        assert_eq!(put_if_new(&table, &call("1")), (200, json!({})));
        let (status, refused) = put_if_new(&table, &call("2"));
        assert_eq!(status, 400);
        assert!(refused["__type"].as_str().unwrap().ends_with("#ConditionalCheckFailedException"));
        assert_eq!(refused["Item"], call("1"));
        assert_eq!(Value::Object(table.partition("a")["call"].clone()), call("1"));
        assert_eq!(table.counts(), Counts { requests: 2, capacity: 2, refused: 1, ..Counts::default() });
    }

    #[test]
    fn a_refusal_tells_the_old_item_only_to_whoever_asked_for_it() {
        let table = Table::new();
        let put = json!({ "Item": call("1"), "ConditionExpression": "attribute_not_exists(sid)" });
        assert_eq!(ask(&table, &put).0, 200);
        let (status, refused) = ask(&table, &put);
        assert_eq!((status, refused.get("Item")), (400, None));
    }

    #[test]
    fn an_item_is_replaced_only_by_whoever_knows_its_facts() {
        let table = Table::new();
        let (status, refused) = put_over(&table, "1", &call("2"));
        assert_eq!((status, refused.get("Item")), (400, None), "there is no item to compare with");
        put_if_new(&table, &call("1"));
        assert_eq!(put_over(&table, "0", &call("2")).0, 400);
        assert_eq!(put_over(&table, "1", &call("2")).0, 200);
        assert_eq!(table.partition("a")["call"]["facts"], json!({ "S": "2" }));
        assert_eq!(table.counts().unexpected, 0);
    }

    #[test]
    fn conditions_are_read_with_and_before_or_and_with_placeholders() {
        let holds = |text: &str, item: Option<&Value>| {
            let put = json!({
                "Item": {}, "ExpressionAttributeNames": { "#f": "facts" }, "ExpressionAttributeValues": { ":1": { "S": "1" }, ":2": { "N": "2" } },
            })
            .to_string();
            let condition = Condition::read(text, &serde_json::from_str(&put).unwrap()).ok()?;
            let item = item.map(Value::to_string);
            let item: Option<Attributes<'_>> = item.as_ref().map(|item| serde_json::from_str(item).unwrap());
            Some(condition.holds(item.as_ref()))
        };
        let item = call("1");
        let stored = Some(&item);
        assert_eq!(holds("attribute_not_exists(sid) OR facts = :1", stored), Some(true));
        assert_eq!(holds("attribute_not_exists(sid) OR facts = :1", None), Some(true));
        assert_eq!(holds("attribute_not_exists(sid) OR facts=:2", stored), Some(false));
        assert_eq!(holds("#f = :1 AND attribute_not_exists( status )", stored), Some(true));
        assert_eq!(holds("#f = :1 OR #f = :2 AND #f = :2", stored), Some(true));
        assert_eq!(holds("(#f = :1 OR #f = :2) AND #f = :2", stored), Some(false));
        for unknown in
            ["", "facts", "facts = :3", "facts <> :1", "size(facts) = :2", "facts = :1 facts = :1", "(facts = :1"]
        {
            assert_eq!(holds(unknown, stored), None, "{unknown}");
        }
    }

    #[test]
    fn whatever_no_function_sends_is_refused_and_counted() {
        let table = Table::new();
        let odd = [
            json!({ "Item": call("1"), "ConditionExpression": "facts > :expected" }),
            json!({ "Item": { "sid": { "S": "a" } } }),
            json!({ "Item": { "sid": { "S": "" }, "record": { "S": "call" } } }),
            json!({ "Item": { "sid": { "S": "a" }, "record": { "S": "call" }, "x": { "SS": ["a"] } } }),
            json!({ "Item": call(&"x".repeat(LARGEST_ITEM_BYTES)) }),
            json!({ "Key": call("1") }),
        ];
        for request in &odd {
            assert_eq!(ask(&table, request).0, 400, "{request:.100}");
        }
        table.answer(&AwsRequest { target: Some("DynamoDB_20120810.GetItem".to_owned()), body: b"{}".to_vec() });
        assert_eq!((table.counts().unexpected, table.len()), (odd.len() as u64 + 1, 0));
    }

    #[test]
    fn an_item_has_the_bytes_of_its_names_and_values_as_the_developer_guide_counts_them() {
        let item = json!({
            "s": { "S": "é" },                                             // 1 + 2
            "n": { "N": "1794211621200" },                                 // 1 + 1 + 6: eleven digits without the zeros
            "z": { "N": "0" },                                             // 1 + 1
            "f": { "N": "-0.0120" },                                       // 1 + 1 + 1: the digits 12
            "b": { "BOOL": true },                                         // 1 + 1
            "u": { "NULL": true },                                         // 1 + 1
            "l": { "L": [{ "S": "ab" }, { "S": "" }] },                    // 1 + 3 + (1 + 2) + (1 + 0)
            "m": { "M": { "key": { "S": "ab" }, "e": { "M": {} } } },      // 1 + 3 + (1 + 3 + 2) + (1 + 1 + 3)
        });
        assert_eq!(item_bytes(item.as_object().unwrap()).unwrap(), 3 + 8 + 2 + 3 + 2 + 2 + 8 + 15);
    }

    #[test]
    fn a_write_costs_a_unit_for_each_started_kilobyte_of_the_larger_item_refused_or_not() {
        let table = Table::new();
        let around = item_bytes(call("").as_object().unwrap()).unwrap();
        let item_of = |bytes: usize| call(&"x".repeat(bytes - around));
        let cost = |put: &dyn Fn() -> (u16, Value)| {
            let before = table.counts().capacity;
            let (status, _) = put();
            (status, table.counts().capacity - before)
        };
        assert_eq!(cost(&|| put_if_new(&table, &item_of(1_024))), (200, 1));
        assert_eq!(cost(&|| put_if_new(&table, &item_of(1_025))), (400, 2), "the new item is larger");
        let small = "x".repeat(1_024 - around);
        assert_eq!(cost(&|| put_over(&table, &small, &item_of(3_000))), (200, 3));
        assert_eq!(cost(&|| put_if_new(&table, &item_of(100))), (400, 3), "the old item is larger");
    }

    #[test]
    fn a_preloaded_item_is_there_and_has_cost_nothing() {
        let table = Table::new();
        table.preload(call("1").as_object().unwrap()).unwrap();
        assert_eq!((table.len(), table.counts()), (1, Counts::default()));
        assert_eq!(table.bytes(), item_bytes(call("1").as_object().unwrap()).unwrap());
        assert_eq!(put_over(&table, "1", &call("2")).0, 200);
        assert_eq!(table.partition("a").len(), 1);
    }

    #[test]
    fn what_is_published_is_counted() {
        let table = Table::new();
        let publish = AwsRequest { target: None, body: b"Action=Publish&Version=2010-03-31&Message=x".to_vec() };
        assert_eq!(table.answer(&publish).status, 200);
        assert_eq!(table.counts(), Counts { requests: 1, published: 1, ..Counts::default() });
    }
}
