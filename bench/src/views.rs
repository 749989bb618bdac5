//! The views table and the figures table in memory, as [`crate::table`] is the records table: with the
//! requests of `project` and `history` and no others, and what AWS would charge for them.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

use crate::table::{Item, UNIT_BYTES, Usage, item_bytes};

pub const VIEWS: &str = "ringback-views";
pub const FIGURES: &str = "ringback-figures";
/// What DynamoDB reads in one request.
const PAGE_BYTES: usize = 1 << 20;
const READ_UNIT_BYTES: usize = 4_096;
const ROWS_A_BATCH: usize = 25;

/// Whether a request names one of both tables. It is asked of each put, so it must cost nothing.
pub fn is_about(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|body| body.contains(VIEWS) || body.contains(FIGURES))
}

/// Rows by partition key and sort key.
type Rows = HashMap<String, BTreeMap<String, Row>>;

#[derive(Clone, Debug, PartialEq)]
struct Row {
    json: Box<str>,
    bytes: usize,
}

#[derive(Default)]
pub struct Views {
    tables: HashMap<String, Rows>,
}

impl Views {
    /// Every row of a table, by its keys.
    pub fn rows(&self, table: &str) -> BTreeMap<(String, String), Item> {
        let partitions = self.tables.get(table).into_iter().flatten();
        let rows = partitions.flat_map(|(partition, rows)| {
            rows.iter().map(move |(sort, row)| ((partition.clone(), sort.clone()), &row.json))
        });
        rows.filter_map(|(key, json)| Some((key, serde_json::from_str(json).ok()?))).collect()
    }

    /// Status and body of an answer.
    pub(crate) fn answer(&mut self, operation: &str, body: &[u8], usage: &mut Usage) -> Result<(u16, Value)> {
        let request: Value = serde_json::from_slice(body)?;
        match operation {
            "BatchWriteItem" => self.write_batch(&request, usage),
            "PutItem" => {
                ensure!(request.get("ConditionExpression").is_none(), "a put on a condition");
                let item = request.get("Item").and_then(Value::as_object).context("no item")?;
                self.put(table(&request)?, item.clone(), usage)?;
                Ok((200, json!({})))
            }
            "UpdateItem" => self.update(&request, usage),
            "Query" => self.query(&request, usage),
            other => bail!("{other} is not an operation on this table"),
        }
    }

    fn write_batch(&mut self, request: &Value, usage: &mut Usage) -> Result<(u16, Value)> {
        let tables = request.get("RequestItems").and_then(Value::as_object).context("no requests")?;
        for (table, requests) in tables {
            let requests = requests.as_array().context("no list")?;
            ensure!(requests.len() <= ROWS_A_BATCH, "{} rows in a batch", requests.len());
            for request in requests {
                let map = |path: &str| request.pointer(path).and_then(Value::as_object);
                if let Some(item) = map("/PutRequest/Item") {
                    self.put(table, item.clone(), usage)?;
                } else {
                    let (partition, sort) =
                        key(map("/DeleteRequest/Key").context("neither put nor delete")?)?;
                    let rows = self.tables.entry(table.clone()).or_default().entry(partition).or_default();
                    let old = rows.remove(&sort).map_or(0, |row| row.bytes);
                    usage.write_units += units(old).max(1.0);
                    if old > 0 {
                        usage.items -= 1.0;
                        usage.item_bytes -= old as f64;
                    }
                }
            }
        }
        Ok((200, json!({ "UnprocessedItems": {} })))
    }

    fn put(&mut self, table: &str, item: Item, usage: &mut Usage) -> Result<()> {
        let (partition, sort) = key(&item)?;
        let bytes = item_bytes(&item)?;
        let row = Row { json: Value::Object(item).to_string().into(), bytes };
        let rows = self.tables.entry(table.to_owned()).or_default().entry(partition).or_default();
        let old = rows.insert(sort, row);
        let old_bytes = old.as_ref().map_or(0, |row| row.bytes);
        usage.write_units += units(old_bytes.max(bytes));
        usage.items += if old.is_none() { 1.0 } else { 0.0 };
        usage.item_bytes += bytes as f64 - old_bytes as f64;
        Ok(())
    }

    fn row(&self, table: &str, key: &(String, String)) -> Result<Option<Item>> {
        let row = self.tables.get(table).and_then(|rows| rows.get(&key.0)?.get(&key.1));
        Ok(row.map(|row| serde_json::from_str(&row.json)).transpose()?)
    }

    /// `SET` and `ADD`, on the one condition that there is.
    fn update(&mut self, request: &Value, usage: &mut Usage) -> Result<(u16, Value)> {
        let table = table(request)?;
        let keys = request.get("Key").and_then(Value::as_object).context("no key")?;
        let old = self.row(table, &key(keys)?)?;
        let value = |name: &str| request.pointer(&format!("/ExpressionAttributeValues/{name}"));
        match request.get("ConditionExpression").and_then(Value::as_str) {
            None => {}
            Some("attribute_not_exists(seq) OR seq < :first") => {
                let text = |value: Option<&Value>| value?.get("S")?.as_str().map(str::to_owned);
                let known = text(old.as_ref().and_then(|item| item.get("seq")));
                if known.is_some() && known >= text(value(":first")) {
                    usage.refused += 1.0;
                    usage.write_units += units(item_bytes(old.as_ref().context("no item")?)?);
                    let kind = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
                    return Ok((400, json!({ "__type": kind, "Item": old })));
                }
            }
            Some(other) => bail!("an unknown condition: {other}"),
        }
        let mut item = old.unwrap_or_else(|| keys.clone());
        let expression = request.get("UpdateExpression").and_then(Value::as_str).context("no update")?;
        let (sets, adds) = expression.split_once("ADD ").unwrap_or((expression, ""));
        let name = |alias: &str| {
            let name = request.pointer(&format!("/ExpressionAttributeNames/{alias}"));
            name.and_then(Value::as_str).map(str::to_owned).with_context(|| format!("no name for {alias}"))
        };
        for term in terms(sets.trim().strip_prefix("SET ").unwrap_or_default()) {
            let (alias, given) = term.split_once(" = ").context("a term of SET")?;
            item.insert(name(alias)?, value(given).context("no value")?.clone());
        }
        for term in terms(adds) {
            let (alias, given) = term.split_once(' ').context("a term of ADD")?;
            let (name, given) = (name(alias)?, value(given).context("no value")?);
            let sum = match item.get(&name) {
                Some(known) => sum(known, given)?,
                None => given.clone(),
            };
            item.insert(name, sum);
        }
        self.put(table, item, usage)?;
        Ok((200, json!({})))
    }

    /// The rows of one partition between two sort keys.
    fn query(&self, request: &Value, usage: &mut Usage) -> Result<(u16, Value)> {
        let condition = request.get("KeyConditionExpression").and_then(Value::as_str);
        ensure!(
            condition == Some("#partition = :partition AND #sort BETWEEN :low AND :high"),
            "another condition: {condition:?}"
        );
        let filter = request.get("FilterExpression").and_then(Value::as_str);
        ensure!(matches!(filter, None | Some("#expires_at > :now")), "another filter: {filter:?}");
        let value = |name: &str, letter: &str| {
            let value = request.pointer(&format!("/ExpressionAttributeValues/{name}/{letter}"));
            value.and_then(Value::as_str).with_context(|| format!("no value for {name}"))
        };
        let (low, high) = (value(":low", "S")?.to_owned(), value(":high", "S")?.to_owned());
        let now: u64 = if filter.is_some() { value(":now", "N")?.parse()? } else { 0 };
        let after = request.pointer("/ExclusiveStartKey/sk/S").and_then(Value::as_str);
        let newest_first = request.get("ScanIndexForward") == Some(&json!(false));
        let limit = request.get("Limit").and_then(Value::as_u64).unwrap_or(u64::MAX);
        let partition = value(":partition", "S")?;
        let rows = self.tables.get(table(request)?).and_then(|rows| rows.get(partition));
        let mut rows: Box<dyn Iterator<Item = (&String, &Row)>> = match rows {
            Some(rows) if newest_first => Box::new(rows.range(low..=high).rev()),
            Some(rows) => Box::new(rows.range(low..=high)),
            None => Box::new(std::iter::empty()),
        };
        let (mut items, mut bytes, mut seen, mut last) = (Vec::new(), 0, 0, None);
        let is_before = |sort: &String| {
            after.is_some_and(
                |after| if newest_first { sort.as_str() >= after } else { sort.as_str() <= after },
            )
        };
        let mut rest = rows.by_ref().skip_while(|(sort, _)| is_before(sort)).peekable();
        while let Some((sort, row)) = rest.next() {
            seen += 1;
            bytes += row.bytes;
            let item: Item = serde_json::from_str(&row.json)?;
            let expires_at: Option<u64> =
                item.get("expires_at").and_then(|value| value.get("N")?.as_str()?.parse().ok());
            if filter.is_none() || expires_at > Some(now) {
                items.push(Value::Object(item));
            }
            if (seen >= limit || bytes >= PAGE_BYTES) && rest.peek().is_some() {
                last = Some(json!({ "pk": { "S": partition }, "sk": { "S": sort } }));
                break;
            }
        }
        let consistent = request.get("ConsistentRead") == Some(&json!(true));
        let whole = bytes.div_ceil(READ_UNIT_BYTES).max(1) as f64;
        usage.read_units += if consistent { whole } else { whole / 2.0 };
        let mut answer = json!({ "Count": items.len(), "ScannedCount": seen, "Items": items });
        if let (Some(last), Some(answer)) = (last, answer.as_object_mut()) {
            answer.insert("LastEvaluatedKey".to_owned(), last);
        }
        Ok((200, answer))
    }
}

fn terms(clause: &str) -> impl Iterator<Item = &str> {
    clause.split(", ").map(str::trim).filter(|term| !term.is_empty())
}

fn table(request: &Value) -> Result<&str> {
    request.get("TableName").and_then(Value::as_str).context("no table")
}

fn key(item: &Map<String, Value>) -> Result<(String, String)> {
    let part = |name: &str| {
        let text = item.get(name).and_then(|value| value.get("S")?.as_str()).filter(|text| !text.is_empty());
        text.map(str::to_owned).with_context(|| format!("no usable {name}"))
    };
    Ok((part("pk")?, part("sk")?))
}

fn units(bytes: usize) -> f64 {
    bytes.div_ceil(UNIT_BYTES) as f64
}

/// What `ADD` makes of two numbers, or of two sets.
fn sum(known: &Value, given: &Value) -> Result<Value> {
    let number = |value: &Value| value.get("N").and_then(Value::as_str)?.parse::<i64>().ok();
    if let (Some(known), Some(given)) = (number(known), number(given)) {
        return Ok(json!({ "N": (known + given).to_string() }));
    }
    for letter in ["NS", "SS"] {
        let set = |value: &Value| value.get(letter).and_then(Value::as_array).cloned();
        if let (Some(mut known), Some(given)) = (set(known), set(given)) {
            known.extend(given.into_iter().filter(|value| !known.contains(value)).collect::<Vec<_>>());
            return Ok(json!({ letter: known }));
        }
    }
    bail!("ADD of {given} to {known}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(views: &mut Views, seq: u64, calls: i64) -> u16 {
        let request = json!({
            "TableName": FIGURES, "Key": { "pk": { "S": "line#-#2026-11-28#0" }, "sk": { "S": "h#07#-" } },
            "UpdateExpression": "SET #a0 = :a0 ADD #a1 :a1",
            "ExpressionAttributeNames": { "#a0": "seq", "#a1": "calls" },
            "ExpressionAttributeValues": {
                ":a0": { "S": format!("{seq:040}") }, ":a1": { "N": calls.to_string() },
                ":first": { "S": format!("{seq:040}") },
            },
            "ConditionExpression": "attribute_not_exists(seq) OR seq < :first",
        });
        views.answer("UpdateItem", request.to_string().as_bytes(), &mut Usage::default()).unwrap().0
    }

    #[test]
    fn a_counter_takes_each_change_once() {
        let mut views = Views::default();
        assert_eq!(
            [update(&mut views, 1, 2), update(&mut views, 1, 2), update(&mut views, 2, -1)],
            [200, 400, 200]
        );
        let rows = views.rows(FIGURES);
        assert_eq!(rows.values().next().unwrap()["calls"], json!({ "N": "1" }));
    }

    #[test]
    fn a_query_ends_at_its_limit_and_goes_on_after_it() {
        let mut views = Views::default();
        let mut usage = Usage::default();
        for sort in 0..5 {
            let item = json!({
                "pk": { "S": "user#a" }, "sk": { "S": sort.to_string() }, "expires_at": { "N": "9" },
                "text": { "S": "x".repeat(3_000) },
            });
            views.put(VIEWS, item.as_object().unwrap().clone(), &mut usage).unwrap();
        }
        assert_eq!((usage.write_units, usage.items), (15.0, 5.0));
        let mut query = json!({
            "TableName": VIEWS, "Limit": 2, "ScanIndexForward": false,
            "KeyConditionExpression": "#partition = :partition AND #sort BETWEEN :low AND :high",
            "FilterExpression": "#expires_at > :now",
            "ExpressionAttributeValues": {
                ":partition": { "S": "user#a" }, ":low": { "S": "0" }, ":high": { "S": "3" },
                ":now": { "N": "8" },
            },
        });
        let mut found = Vec::new();
        for _ in 0..2 {
            let body = query.to_string();
            let (_, answer) = views.answer("Query", body.as_bytes(), &mut usage).unwrap();
            found.extend(answer["Items"].as_array().unwrap().iter().map(|item| item["sk"]["S"].clone()));
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"].clone();
        }
        assert_eq!(found, ["3", "2", "1", "0"]);
        // Twice 6 KB, at half a unit for each 4 KB.
        assert_eq!(usage.read_units, 2.0);
    }
}
