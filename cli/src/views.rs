//! The lists of calls of one user, in the views table, and the services that had calls, in the figures table.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use percent_encoding::percent_decode_str;
use ringback::history::key::{self, UserKey};

use crate::error::Stop;
use crate::place::{Place, Reading};
use crate::records::Item;

/// A row of a user's list. When the user last looked is a row without a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    partition: String,
    sort: String,
    pub(crate) sid: Option<String>,
}

/// The lists of users, in DynamoDB or in memory.
pub(crate) trait Lists {
    /// Every row of the user, in one service or in all.
    fn rows(&self, user: &str, service: Option<&str>) -> impl Future<Output = Result<Vec<Row>, Stop>>;

    fn delete(&self, row: &Row) -> impl Future<Output = Result<(), Stop>>;

    /// Whether the user's calls are in no list.
    fn leaves_out(&self, user: &str) -> bool;
}

#[derive(Clone, Debug)]
pub(crate) struct Views {
    client: Client,
    reading: Reading,
    /// Provider and service, as far as the deployment's parameters name them.
    served: BTreeSet<(String, String)>,
}

impl Views {
    /// Those of a place, where calls can be read.
    pub(crate) fn of(place: &Place) -> Option<Self> {
        let named = |provider: &str, ids: &str| -> Vec<(String, String)> {
            let ids = ids.split(',').filter(|id| !id.is_empty() && *id != "any");
            ids.map(|id| (provider.to_owned(), id.to_owned())).collect()
        };
        Some(Self {
            client: Client::new(&place.config("DYNAMODB")),
            reading: place.reading.clone()?,
            served: [named("line", &place.line_ids), named("tencent", &place.tencent_ids)]
                .concat()
                .into_iter()
                .collect(),
        })
    }

    async fn partition(&self, table: &str, partition: &str) -> Result<Vec<Item>, Stop> {
        let query = self.client.query().table_name(table).consistent_read(true);
        let query = query.key_condition_expression("pk = :pk");
        let query = query.expression_attribute_values(":pk", AttributeValue::S(partition.to_owned()));
        let items: Result<Vec<Item>, _> = query.into_paginator().items().send().collect().await;
        items.map_err(Stop::aws(&format!("read {table}")))
    }

    /// How many calls of a part of the live calls are going on.
    pub(crate) async fn live(&self, shard: u32) -> Result<usize, Stop> {
        Ok(self.partition(&self.reading.views, &key::live(shard)).await?.len())
    }

    /// Provider and service of every call that was counted.
    pub(crate) async fn known_services(&self) -> Result<BTreeSet<(String, String)>, Stop> {
        let items = self.partition(&self.reading.figures, key::SERVICES).await?;
        Ok(items.iter().filter_map(|item| provider_and_service(&text(item, "sk")?)).collect())
    }

    /// Every service in which the user may have calls: those that had calls, those of the deployment, and
    /// that of calls whose service is not known.
    async fn services(&self) -> Result<BTreeSet<(String, String)>, Stop> {
        let unknown = ["line", "tencent"].map(|provider| (provider.to_owned(), "-".to_owned()));
        Ok(self.known_services().await?.into_iter().chain(self.served.clone()).chain(unknown).collect())
    }
}

fn provider_and_service(key: &str) -> Option<(String, String)> {
    let decoded = |part| percent_decode_str(part).decode_utf8_lossy().into_owned();
    key.split_once('#').map(|(provider, service)| (decoded(provider), decoded(service)))
}

fn text(item: &Item, name: &str) -> Option<String> {
    item.get(name)?.as_s().ok().cloned()
}

impl Lists for Views {
    async fn rows(&self, user: &str, service: Option<&str>) -> Result<Vec<Row>, Stop> {
        let services = match service {
            None => self.services().await?,
            Some(service) => ["line", "tencent"]
                .into_iter()
                .flat_map(|provider| [service, "-"].map(|each| (provider.to_owned(), each.to_owned())))
                .collect(),
        };
        let mut rows = Vec::new();
        for (provider, service) in services {
            let user = UserKey { provider, service, user: user.to_owned() };
            let items = self.partition(&self.reading.views, &key::user(&user)).await?;
            let row = |item: &Item| {
                Some(Row { partition: text(item, "pk")?, sort: text(item, "sk")?, sid: text(item, "sid") })
            };
            rows.extend(items.iter().filter_map(row));
        }
        Ok(rows)
    }

    async fn delete(&self, row: &Row) -> Result<(), Stop> {
        let table = &self.reading.views;
        let delete = self.client.delete_item().table_name(table);
        let delete = delete.key("pk", AttributeValue::S(row.partition.clone()));
        let delete = delete.key("sk", AttributeValue::S(row.sort.clone()));
        delete.send().await.map(drop).map_err(Stop::aws(&format!("delete from {table}")))
    }

    fn leaves_out(&self, user: &str) -> bool {
        self.reading.unindexed_users.iter().any(|each| each == user)
    }
}

#[cfg(test)]
pub(crate) mod memory {
    use std::cell::RefCell;

    use super::*;

    /// Users' lists in memory: user, service and row.
    #[derive(Default)]
    pub(crate) struct Memory {
        pub(crate) rows: RefCell<Vec<(&'static str, &'static str, Row)>>,
        pub(crate) unindexed: Vec<&'static str>,
    }

    impl Memory {
        pub(crate) fn put(&self, user: &'static str, service: &'static str, sid: Option<&str>) {
            let sort = sid.map_or_else(|| key::SEEN.to_owned(), |sid| format!("call#{sid}"));
            let partition = format!("{service}#{user}");
            self.rows.borrow_mut().push((
                user,
                service,
                Row { partition, sort, sid: sid.map(str::to_owned) },
            ));
        }
    }

    impl Lists for Memory {
        async fn rows(&self, user: &str, service: Option<&str>) -> Result<Vec<Row>, Stop> {
            let rows = self.rows.borrow();
            let of_user = rows
                .iter()
                .filter(|(of, one, _)| *of == user && service.is_none_or(|service| *one == service));
            Ok(of_user.map(|(.., row)| row.clone()).collect())
        }

        async fn delete(&self, row: &Row) -> Result<(), Stop> {
            self.rows.borrow_mut().retain(|(.., each)| each != row);
            Ok(())
        }

        fn leaves_out(&self, user: &str) -> bool {
            self.unindexed.contains(&user)
        }
    }

    #[test]
    fn a_service_is_read_from_its_key() {
        let read = |key| provider_and_service(key);
        assert_eq!(read("line#a%23b"), Some(("line".into(), "a#b".into())));
        assert_eq!(read("tencent#-"), Some(("tencent".into(), "-".into())));
        assert_eq!(read("line"), None);
    }
}
