//! The records table. Items stay as DynamoDB has them, so that a copy is exact.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use ringback::call::record::CALL;
use serde_json::{Map, Value};

use crate::error::Stop;
use crate::place::Place;

pub(crate) type Item = HashMap<String, AttributeValue>;
/// Partition and sort key.
pub(crate) type Key = (String, String);

/// A page of items, and where the next one begins.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) items: Vec<Item>,
    pub(crate) next: Option<Item>,
}

/// What DynamoDB says of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) arn: String,
    /// The table that this one was restored from.
    pub(crate) restored_from: Option<String>,
    /// Roughly how many items it has.
    pub(crate) items: u64,
}

/// A table of records, in DynamoDB or in memory.
pub(crate) trait Records {
    fn name(&self) -> &str;

    /// Every item of a session.
    fn of_session(&self, sid: &str) -> impl Future<Output = Result<Vec<Item>, Stop>>;

    /// A page of all items.
    fn page(&self, from: Option<Item>) -> impl Future<Output = Result<Page, Stop>>;

    fn get(&self, key: &Key) -> impl Future<Output = Result<Option<Item>, Stop>>;

    /// Puts an item where there is none; returns the one that is there and stays.
    fn add(&self, item: Item) -> impl Future<Output = Result<Option<Item>, Stop>>;

    fn delete(&self, key: &Key) -> impl Future<Output = Result<(), Stop>>;

    fn describe(&self) -> impl Future<Output = Result<Description, Stop>>;
}

#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) client: Client,
    name: String,
}

impl Table {
    /// The place's records table.
    pub(crate) fn of(place: &Place) -> Self {
        Self { client: Client::new(&place.config("DYNAMODB")), name: place.table.clone() }
    }

    /// Another table beside it.
    pub(crate) fn beside(&self, name: &str) -> Self {
        Self { client: self.client.clone(), name: name.to_owned() }
    }

    /// The items of a session: the call item first, then the events by their time.
    pub(crate) async fn session(&self, sid: &str) -> Result<Vec<Value>, Stop> {
        Ok(self.of_session(sid).await?.iter().map(json).collect())
    }

    /// Deletes everything of a session and says how many items that was.
    pub(crate) async fn remove(&self, sid: &str) -> Result<usize, Stop> {
        let items = self.session(sid).await?;
        for item in &items {
            let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            self.delete(&(text("sid"), text("record"))).await?;
        }
        Ok(items.len())
    }
}

impl Records for Table {
    fn name(&self) -> &str {
        &self.name
    }

    async fn of_session(&self, sid: &str) -> Result<Vec<Item>, Stop> {
        let query = self.client.query().table_name(&self.name).consistent_read(true);
        let query = query.key_condition_expression("sid = :sid");
        let query = query.expression_attribute_values(":sid", AttributeValue::S(sid.to_owned()));
        let items: Result<Vec<Item>, _> = query.into_paginator().items().send().collect().await;
        items.map_err(Stop::aws(&format!("read {}", self.name)))
    }

    async fn page(&self, from: Option<Item>) -> Result<Page, Stop> {
        let scan =
            self.client.scan().table_name(&self.name).consistent_read(true).set_exclusive_start_key(from);
        let page = scan.send().await.map_err(Stop::aws(&format!("read {}", self.name)))?;
        Ok(Page { items: page.items.unwrap_or_default(), next: page.last_evaluated_key })
    }

    async fn get(&self, key: &Key) -> Result<Option<Item>, Stop> {
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .consistent_read(true)
            .set_key(Some(attributes(key)));
        Ok(get.send().await.map_err(Stop::aws(&format!("read {}", self.name)))?.item)
    }

    async fn add(&self, item: Item) -> Result<Option<Item>, Stop> {
        let put = self.client.put_item().table_name(&self.name).set_item(Some(item));
        let put = put.condition_expression("attribute_not_exists(sid)");
        let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(None),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(Some(refused.item().cloned().unwrap_or_default()))
                }
                _ => Err(Stop::aws(&format!("write into {}", self.name))(error)),
            },
        }
    }

    async fn delete(&self, key: &Key) -> Result<(), Stop> {
        let delete = self.client.delete_item().table_name(&self.name).set_key(Some(attributes(key)));
        delete.send().await.map(drop).map_err(Stop::aws(&format!("delete from {}", self.name)))
    }

    async fn describe(&self) -> Result<Description, Stop> {
        let described = self.client.describe_table().table_name(&self.name).send().await;
        let table = described.map_err(Stop::aws(&format!("describe {}", self.name)))?.table;
        let table = table.ok_or_else(|| Stop::new(format!("there is no table {}", self.name)))?;
        Ok(Description {
            restored_from: table
                .restore_summary()
                .and_then(|from| from.source_table_arn())
                .map(str::to_owned),
            items: u64::try_from(table.item_count().unwrap_or_default()).unwrap_or_default(),
            arn: table.table_arn.unwrap_or_default(),
        })
    }
}

fn attributes((sid, record): &Key) -> Item {
    let text = |text: &String| AttributeValue::S(text.clone());
    [("sid".to_owned(), text(sid)), ("record".to_owned(), text(record))].into()
}

pub(crate) fn key(item: &Item) -> Key {
    (text(item, "sid"), text(item, "record"))
}

/// Whether it is the item that shows the whole call.
pub(crate) fn is_call(item: &Item) -> bool {
    text(item, "record") == CALL
}

fn text(item: &Item, name: &str) -> String {
    item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
}

/// An item as plain JSON.
pub(crate) fn json(item: &Item) -> Value {
    // Sorted, so that the same item looks the same each time.
    let sorted: BTreeMap<_, _> = item.iter().collect();
    Value::Object(sorted.into_iter().map(|(name, value)| (name.clone(), plain(value))).collect::<Map<_, _>>())
}

fn plain(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => text.as_str().into(),
        AttributeValue::N(digits) => serde_json::from_str(digits).unwrap_or_else(|_| digits.as_str().into()),
        AttributeValue::Bool(flag) => (*flag).into(),
        AttributeValue::L(items) => items.iter().map(plain).collect(),
        AttributeValue::M(members) => json(members),
        // No record has sets or bytes.
        _ => Value::Null,
    }
}

#[cfg(test)]
pub(crate) mod memory {
    use std::cell::{Cell, RefCell};

    use super::*;

    /// A table in memory, whose pages have two items. It can stop deleting.
    #[derive(Default)]
    pub(crate) struct Memory {
        pub(crate) name: &'static str,
        pub(crate) restored_from: Option<&'static str>,
        pub(crate) items: RefCell<BTreeMap<Key, Item>>,
        pub(crate) deletes_left: Cell<Option<usize>>,
    }

    impl Memory {
        pub(crate) fn put(&self, sid: &str, record: &str, attributes: Value) {
            let mut item = self::item(&attributes);
            item.extend(self::item(&serde_json::json!({ "sid": sid, "record": record })));
            self.items.borrow_mut().insert(key(&item), item);
        }

        pub(crate) fn keys(&self) -> Vec<String> {
            self.items.borrow().keys().map(|(sid, record)| format!("{sid} {record}")).collect()
        }
    }

    pub(crate) fn item(attributes: &Value) -> Item {
        let Value::Object(members) = attributes else { panic!("{attributes}") };
        members.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
    }

    fn attribute(value: &Value) -> AttributeValue {
        match value {
            Value::Null => AttributeValue::Null(true),
            Value::Bool(flag) => AttributeValue::Bool(*flag),
            Value::Number(number) => AttributeValue::N(number.to_string()),
            Value::String(text) => AttributeValue::S(text.clone()),
            Value::Array(items) => AttributeValue::L(items.iter().map(attribute).collect()),
            Value::Object(_) => AttributeValue::M(item(value)),
        }
    }

    impl Records for Memory {
        fn name(&self) -> &str {
            self.name
        }

        async fn of_session(&self, sid: &str) -> Result<Vec<Item>, Stop> {
            let items = self.items.borrow();
            Ok(items.iter().filter(|((of, _), _)| of == sid).map(|(_, item)| item.clone()).collect())
        }

        async fn page(&self, from: Option<Item>) -> Result<Page, Stop> {
            let from = from.map(|item| key(&item));
            let later: Vec<Item> = self
                .items
                .borrow()
                .iter()
                .filter(|(key, _)| from.as_ref().is_none_or(|from| *key > from))
                .map(|(_, item)| item.clone())
                .collect();
            let items: Vec<Item> = later.iter().take(2).cloned().collect();
            let next = (later.len() > 2).then(|| items[1].clone());
            Ok(Page { items, next })
        }

        async fn get(&self, key: &Key) -> Result<Option<Item>, Stop> {
            Ok(self.items.borrow().get(key).cloned())
        }

        async fn add(&self, item: Item) -> Result<Option<Item>, Stop> {
            let mut items = self.items.borrow_mut();
            if let Some(there) = items.get(&key(&item)) {
                return Ok(Some(there.clone()));
            }
            items.insert(key(&item), item);
            Ok(None)
        }

        async fn delete(&self, key: &Key) -> Result<(), Stop> {
            if let Some(left) = self.deletes_left.get() {
                self.deletes_left.set(Some(left.checked_sub(1).ok_or_else(|| Stop::new("not now"))?));
            }
            self.items.borrow_mut().remove(key);
            Ok(())
        }

        async fn describe(&self) -> Result<Description, Stop> {
            let restored_from = self.restored_from.map(str::to_owned);
            Ok(Description { arn: format!("arn:{}", self.name), restored_from, items: 0 })
        }
    }
}
