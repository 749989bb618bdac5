//! Tables and a topic in memory, which a projector writes, and the stream of a records table.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::aws::topic::Publish;
use crate::aws::{Failure, Service};
use crate::history::figures::Figures;
use crate::history::news::News;
use crate::history::plan::Stay;
use crate::history::projector::{AddFigures, Added, Tell, WriteRows};
use crate::history::row::UserRow;
use crate::history::rows::{Key, Row};
use crate::history::stream::{Batch, Sequence};
use crate::testing::MemoryTable;

/// What a projector has written. Each request fails by a chance: before it is done, or after.
#[derive(Debug, Default)]
pub struct Projection {
    pub rows: RefCell<BTreeMap<Key, Row>>,
    pub counters: RefCell<BTreeMap<Key, (Sequence, Figures)>>,
    pub told: RefCell<BTreeSet<String>>,
    pub spooled: RefCell<Vec<String>>,
    /// Partitions that begin like this are throttled; none, if it is empty.
    pub throttled: RefCell<String>,
    /// Requests of a hundred that fail.
    pub failing: Cell<u32>,
    random: RefCell<fastrand::Rng>,
}

impl Projection {
    /// Does something, unless it fails before. It may fail after, too: then only the answer is lost.
    fn may_fail<T>(&self, action: impl FnOnce() -> T) -> Result<T, Failure> {
        let lot = self.random.borrow_mut().u32(..100);
        let broken = || Failure::TooSlow(Service::DynamoDb);
        if lot < self.failing.get() / 2 {
            return Err(broken());
        }
        let done = action();
        if lot < self.failing.get() { Err(broken()) } else { Ok(done) }
    }

    /// All counters, whatever shard of the stream they came from.
    pub fn figures(&self) -> BTreeMap<String, BTreeMap<String, i64>> {
        let mut sums: BTreeMap<String, Figures> = BTreeMap::new();
        for ((partition, sort), (_, figures)) in self.counters.borrow().iter() {
            let hour = sort.split('#').nth(1).unwrap();
            sums.entry(format!("{partition} {hour}")).or_default().add(figures, 1);
        }
        let counted = sums.into_iter().map(|(period, figures)| (period, figures.counters()));
        counted.filter(|(_, counters)| !counters.is_empty()).collect()
    }
}

impl WriteRows for &Projection {
    async fn write(&self, rows: &[(Key, Option<Row>)]) -> Result<Vec<Key>, Failure> {
        self.may_fail(|| {
            let (mut known, mut left) = (self.rows.borrow_mut(), Vec::new());
            let throttled = self.throttled.borrow();
            for (key, row) in rows {
                if !throttled.is_empty() && key.0.starts_with(throttled.as_str()) {
                    left.push(key.clone());
                    continue;
                }
                match row {
                    Some(row) => known.insert(key.clone(), row.clone()),
                    None => known.remove(key),
                };
            }
            left
        })
    }

    async fn add(&self, key: &Key, stay: &Stay) -> Result<bool, Failure> {
        self.may_fail(|| {
            let mut known = self.rows.borrow_mut();
            let before = match known.get(key) {
                Some(Row::User(row)) => UserRow::clone(row),
                _ => stay.row.clone(),
            };
            let row = UserRow {
                came: &before.came | &stay.came,
                left: &before.left | &stay.left,
                medias: &before.medias | &stay.medias,
                ..stay.row.clone()
            };
            known.insert(key.clone(), Row::User(Box::new(row)));
            true
        })
    }
}

impl AddFigures for &Projection {
    async fn add_figures(
        &self,
        key: &Key,
        figures: &Figures,
        first: &Sequence,
        last: &Sequence,
        _: u64,
    ) -> Result<Added, Failure> {
        self.may_fail(|| {
            let mut counters = self.counters.borrow_mut();
            let entry = counters.entry(key.clone());
            let (sequence, sum) =
                entry.or_insert_with(|| (Sequence::parse("0").unwrap(), Figures::default()));
            if *sequence >= *first {
                return Added::Has(sequence.clone());
            }
            *sequence = last.clone();
            sum.add(figures, 1);
            Added::Added
        })
    }

    async fn note_service(&self, _: &str, _: &str) -> Result<(), Failure> {
        self.may_fail(|| ())
    }
}

impl Tell for &Projection {
    async fn tell(&self, news: &[News]) -> Result<(), Failure> {
        self.may_fail(|| self.told.borrow_mut().extend(news.iter().map(|news| news.id.clone())))
    }
}

impl Publish for &Projection {
    async fn publish(&self, body: &str, _: &[(&'static str, String)]) -> Result<(), Failure> {
        self.may_fail(|| self.spooled.borrow_mut().push(body.to_owned()))
    }
}

/// The stream of a records table in memory: what changed since it was looked at last.
#[derive(Debug, Default)]
pub struct Stream {
    seen: BTreeMap<(String, String), Map<String, Value>>,
    /// Lambda's records.
    pub records: Vec<Value>,
}

impl Stream {
    /// Notes what has changed. Events come before calls, as the functions write them.
    pub fn look_at(&mut self, table: &MemoryTable) {
        let items: BTreeMap<_, _> =
            table.items().into_iter().map(|(key, item)| (key, item.into_attributes())).collect();
        let mut changed: Vec<_> =
            items.iter().filter(|(key, item)| self.seen.get(*key) != Some(*item)).collect();
        changed.sort_by_key(|((sid, sort), _)| (sid.clone(), !sort.starts_with("event#")));
        for (key, item) in changed {
            let number = 1_000_000 + self.records.len();
            let image = |item: &Map<String, Value>| -> Value {
                let item: serde_dynamo::Item = serde_dynamo::to_item(item).unwrap();
                json!(item)
            };
            let mut change = json!({ "SequenceNumber": number.to_string(), "NewImage": image(item) });
            if let Some(old) = self.seen.get(key) {
                change["OldImage"] = image(old);
            }
            self.records.push(json!({ "eventName": "MODIFY", "dynamodb": change }));
        }
        for (key, item) in &self.seen {
            if !items.contains_key(key) {
                let number = 1_000_000 + self.records.len();
                let old: serde_dynamo::Item = serde_dynamo::to_item(item).unwrap();
                let change = json!({ "SequenceNumber": number.to_string(), "OldImage": old });
                self.records.push(json!({ "eventName": "REMOVE", "dynamodb": change }));
            }
        }
        self.seen = items;
    }

    /// A part of the stream as Lambda hands it over, as one shard.
    pub fn batch(&self, range: std::ops::Range<usize>) -> Batch {
        Self::part("shard", &self.records[range])
    }

    /// Some changes of a shard, as Lambda hands them over.
    pub fn part(shard: &str, records: &[Value]) -> Batch {
        Batch::parse(&json!({ "Records": records, "shardId": shard }).to_string()).unwrap()
    }

    /// The changes of each of two shards: those of one call are in one of them.
    pub fn shards(&self) -> [Vec<Value>; 2] {
        let is_first = |record: &&Value| {
            let images = &record["dynamodb"];
            let sid = images["NewImage"]["sid"]["S"].as_str().or(images["OldImage"]["sid"]["S"].as_str());
            sid.unwrap_or_default().bytes().map(u32::from).sum::<u32>().is_multiple_of(2)
        };
        let (first, second): (Vec<&Value>, Vec<&Value>) = self.records.iter().partition(is_first);
        [first, second].map(|records| records.into_iter().cloned().collect())
    }
}
