//! Makes the rows of calls again from the records. It counts nothing and tells nothing.
//!
//! The stream may bring a change of the same call meanwhile. So a call is read again after its rows were
//! written, until it was the same before and after.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::aws::Failure;
use crate::aws::dynamodb::{TableName, unavailable};
use crate::call::model::{Arrival, SessionId};
use crate::call::record::CALL;
use crate::history::call::StoredCall;
use crate::history::group_event::{GroupEvent, StoredEvent};
use crate::history::key;
use crate::history::plan::{Stay, stay_key};
use crate::history::projector::{ROWS_A_REQUEST, Suspects, WriteRows};
use crate::history::row::CallRow;
use crate::history::rows::{Key, Layout, Row, rows};
use crate::history::tables::{ViewsTable, key_item, key_of};

/// Readings of one call before it is left to the stream: it changes all the time.
const READINGS: usize = 5;
/// Rows that are read at once: DynamoDB's bound.
const READ_A_REQUEST: usize = 100;

type Item = HashMap<String, AttributeValue>;

/// Makes the rows of a call again.
pub trait Rebuild {
    /// Makes the rows of one call again. Of `suspects`, rows that the call does not have are deleted.
    fn rebuild(&self, session: &SessionId, suspects: &Suspects) -> impl Future<Output = Result<(), Failure>>;
}

/// Without the reading side there is nothing to make again.
impl Rebuild for Option<Rebuilder> {
    async fn rebuild(&self, session: &SessionId, suspects: &Suspects) -> Result<(), Failure> {
        match self {
            Some(rebuilder) if !rebuilder.call(session, suspects).await? => Err(Failure::throttled()),
            _ => Ok(()),
        }
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    pub calls: usize,
    /// Rows that were missing or different.
    pub put: usize,
    /// Rows that no call has.
    pub deleted: usize,
    /// Items that this version cannot read.
    pub unreadable: usize,
    /// Calls that changed all the time. What was written of them may be old already.
    pub unsettled: usize,
}

/// The rows that a call's items have, and how many of the items cannot be read.
pub fn expected_rows(items: &[Map<String, Value>], layout: &Layout) -> (BTreeMap<Key, Row>, usize) {
    let (mut expected, mut unreadable) = (BTreeMap::new(), 0);
    let mut stays: BTreeMap<Key, Stay> = BTreeMap::new();
    for item in items {
        let value = Value::Object(item.clone());
        if item.get("record").and_then(Value::as_str) == Some(CALL) {
            match serde_json::from_value::<StoredCall>(value) {
                Ok(call) => expected.extend(rows(&call, layout)),
                Err(_) => unreadable += 1,
            }
        } else {
            let Ok(event) = serde_json::from_value::<StoredEvent>(value) else {
                unreadable += 1;
                continue;
            };
            let Some(event) = GroupEvent::of(event) else { continue };
            if let Some(key) = stay_key(&event, layout) {
                stays.entry(key).or_insert_with(|| Stay::empty(&event)).add(&event);
            }
        }
    }
    let stays = stays.into_iter().map(|(key, stay)| (key, Row::User(Box::new(stay.into_row()))));
    expected.extend(stays);
    (expected, unreadable)
}

/// The records and the views in DynamoDB. It uses `Query` and `Scan` on the records, and `BatchGetItem`,
/// `Scan` and `BatchWriteItem` on the views. `Scan` and `BatchGetItem` only serve [`all`](Self::all).
#[derive(Clone, Debug)]
pub struct Rebuilder {
    client: Client,
    records: TableName,
    views_name: TableName,
    views: ViewsTable,
    layout: Layout,
}

impl Rebuilder {
    pub fn new(client: Client, records: TableName, views: TableName, layout: Layout) -> Self {
        let table = ViewsTable::new(client.clone(), views.clone());
        Self { client, records, views_name: views, views: table, layout }
    }

    /// Makes the rows of one call again. Of `suspects`, rows that the call does not have are deleted.
    /// `false` if the call changed all the time.
    ///
    /// # Errors
    /// [`Failure`] if DynamoDB does not answer, or its keys are throttled.
    pub async fn call(&self, session: &SessionId, suspects: &Suspects) -> Result<bool, Failure> {
        let mut items = self.records_of(session).await?;
        let mut keys = suspects.keys.clone();
        for _ in 0..READINGS {
            let (expected, unreadable) = if items.is_empty() {
                let nameless = suspects.nameless.iter().cloned();
                (nameless.map(|(key, row)| (key, Row::Call(Box::new(row)))).collect(), 0)
            } else {
                expected_rows(&items, &self.layout)
            };
            // What is written now may be too much already: the call may have ended meanwhile.
            keys.extend(expected.keys().cloned());
            // What a newer version wrote may have the other rows.
            let surplus = keys.iter().filter(|key| unreadable == 0 && !expected.contains_key(*key));
            let mut writes: Vec<(Key, Option<Row>)> = surplus.map(|key| (key.clone(), None)).collect();
            writes.extend(expected.into_iter().map(|(key, row)| (key, Some(row))));
            self.write(writes).await?;
            let again = self.records_of(session).await?;
            if again == items {
                return Ok(true);
            }
            items = again;
        }
        Ok(false)
    }

    async fn write(&self, writes: Vec<(Key, Option<Row>)>) -> Result<(), Failure> {
        for rows in writes.chunks(ROWS_A_REQUEST) {
            if !self.views.write(rows).await?.is_empty() {
                return Err(Failure::throttled());
            }
        }
        Ok(())
    }

    async fn records_of(&self, session: &SessionId) -> Result<Vec<Map<String, Value>>, Failure> {
        let pages = self
            .client
            .query()
            .table_name(self.records.as_str())
            .key_condition_expression("sid = :sid")
            .expression_attribute_values(":sid", AttributeValue::S(session.as_str().to_owned()))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let items = pages.collect::<Result<Vec<Item>, _>>().await;
        let items = items.map_err(|error| unavailable(error.into_service_error()))?;
        items.into_iter().map(members).collect()
    }

    /// Makes the rows of all calls again, and deletes rows that no call has. Of calls that were erased, it
    /// leaves what `project` would have left. `progress` hears of every call.
    ///
    /// # Errors
    /// [`Failure`] if DynamoDB does not answer. What was done stays done.
    pub async fn all(&self, now: Arrival, mut progress: impl FnMut(&Rebuilt)) -> Result<Rebuilt, Failure> {
        let mut rebuilt = Rebuilt::default();
        let mut pages = self
            .client
            .scan()
            .table_name(self.records.as_str())
            .filter_expression("#record = :call")
            .expression_attribute_names("#record", "record")
            .expression_attribute_values(":call", AttributeValue::S(CALL.to_owned()))
            .projection_expression("sid")
            .into_paginator()
            .items()
            .send();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| unavailable(error.into_service_error()))?;
            let Some(session) = session_of(&item) else { continue };
            let (expected, unreadable) = expected_rows(&self.records_of(&session).await?, &self.layout);
            let actual = self.rows_at(expected.keys()).await?;
            let differs =
                |(key, row): &(&Key, &Row)| actual.get(*key).is_none_or(|known| !is_same(known, row));
            let put = expected.iter().filter(differs).count();
            if put > 0 && !self.call(&session, &Suspects::default()).await? {
                rebuilt.unsettled += 1;
            }
            rebuilt.calls += 1;
            rebuilt.put += put;
            rebuilt.unreadable += unreadable;
            progress(&rebuilt);
        }
        self.delete_surplus(now, &mut rebuilt).await?;
        Ok(rebuilt)
    }

    /// Deletes rows that their call does not have. What has expired deletes itself.
    async fn delete_surplus(&self, now: Arrival, rebuilt: &mut Rebuilt) -> Result<(), Failure> {
        let scan =
            self.client.scan().table_name(self.views_name.as_str()).projection_expression("pk, sk, sid");
        let scan = scan.filter_expression("attribute_exists(sid) AND expires_at > :now");
        let scan = scan.expression_attribute_values(":now", AttributeValue::N(now.seconds().to_string()));
        let mut pages = scan.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| unavailable(error.into_service_error()))?;
            let mut by_session: BTreeMap<String, BTreeSet<Key>> = BTreeMap::new();
            for item in page.items() {
                if let (Some(session), Some(key)) = (session_of(item), key_of(item)) {
                    by_session.entry(session.as_str().to_owned()).or_default().insert(key);
                }
            }
            for (session, keys) in by_session {
                let Some(session) = SessionId::parse(&session) else { continue };
                let items = self.records_of(&session).await?;
                let suspects = if items.is_empty() {
                    self.left_of_erased(keys).await?
                } else {
                    let (expected, unreadable) = expected_rows(&items, &self.layout);
                    let surplus =
                        keys.into_iter().filter(|key| unreadable == 0 && !expected.contains_key(key));
                    Suspects { keys: surplus.collect(), nameless: Vec::new() }
                };
                rebuilt.deleted += suspects.keys.len();
                rebuilt.put += suspects.nameless.len();
                let is_right = suspects.keys.is_empty() && suspects.nameless.is_empty();
                if !is_right && !self.call(&session, &suspects).await? {
                    rebuilt.unsettled += 1;
                }
            }
        }
        Ok(())
    }

    /// What is wrong with rows whose call has no records. Rows never expire later than their call's records,
    /// so it was erased. Only rows of days stay then, and name nobody.
    async fn left_of_erased(&self, keys: BTreeSet<Key>) -> Result<Suspects, Failure> {
        let (days, others): (BTreeSet<Key>, BTreeSet<Key>) =
            keys.into_iter().partition(|(partition, _)| key::is_day(partition));
        let nameless = self.rows_at(days.iter()).await?.into_iter().filter_map(|(key, row)| {
            let row = CallRow::deserialize(Value::Object(row)).ok()?;
            let nameless = row.clone().without_people();
            (nameless != row).then_some((key, nameless))
        });
        Ok(Suspects { keys: others, nameless: nameless.collect() })
    }

    async fn rows_at(
        &self,
        keys: impl Iterator<Item = &Key>,
    ) -> Result<BTreeMap<Key, Map<String, Value>>, Failure> {
        let keys: Vec<Item> = keys.map(key_item).collect();
        let mut found = BTreeMap::new();
        for keys in keys.chunks(READ_A_REQUEST) {
            let mut left = Some(KeysAndAttributes::builder().set_keys(Some(keys.to_vec())));
            while let Some(request) = left.take() {
                let request = request.consistent_read(true).build().map_err(Failure::unwritable)?;
                let get = self.client.batch_get_item().request_items(self.views_name.as_str(), request);
                let answer =
                    Box::pin(get.send()).await.map_err(|error| unavailable(error.into_service_error()))?;
                for item in answer.responses.into_iter().flatten().flat_map(|(_, items)| items) {
                    if let Some(key) = key_of(&item) {
                        found.insert(key, members(item)?);
                    }
                }
                let unprocessed = answer.unprocessed_keys.into_iter().flatten();
                let unprocessed: Vec<Item> = unprocessed.flat_map(|(_, keys)| keys.keys).collect();
                left = (!unprocessed.is_empty())
                    .then(|| KeysAndAttributes::builder().set_keys(Some(unprocessed)));
            }
        }
        Ok(found)
    }
}

fn session_of(item: &Item) -> Option<SessionId> {
    SessionId::parse(item.get("sid")?.as_s().ok()?)
}

fn members(item: Item) -> Result<Map<String, Value>, Failure> {
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item).map_err(Failure::unwritable)
}

/// Whether a row is as it should be. It expires with the callback that changed it last, which may not be the
/// call's last one.
fn is_same(known: &Map<String, Value>, row: &Row) -> bool {
    let Ok(Value::Object(mut row_members)) = serde_json::to_value(row) else { return false };
    let mut known = known.clone();
    for name in ["pk", "sk"] {
        known.remove(name);
    }
    for members in [&mut known, &mut row_members] {
        for name in ["expires_at", "received_at"] {
            members.remove(name);
        }
        for name in ["came", "left", "medias"] {
            if let Some(Value::Array(set)) = members.get_mut(name) {
                set.sort_by_key(Value::to_string);
            }
        }
    }
    known == row_members
}
