//! The tables in DynamoDB, read.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use futures_util::future::try_join_all;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::aws::Failure;
use crate::aws::dynamodb::{TableName, unavailable};
use crate::call::model::{Arrival, Moment, SessionId};
use crate::call::record::CALL;
use crate::history::figures::{Figures, Period};
use crate::history::key::{self, UserKey};
use crate::history::read::merge::{Part, merge};
use crate::history::read::query::{Item, PK_SK, Query, SID_RECORD, number, read_number, read_text, text};
use crate::history::read::{By, Cursor, Filter, LARGEST_PAGE, Page, ReadCalls, Rows, Span, days};
use crate::history::row::{CallRow, UserRow};

/// Rows of a partition that a query looks at, where a filter leaves out some of them.
const FILTERED_ROWS: u32 = 1_000;
/// The user's newest rows, of which the missed ones are counted.
const COUNTED_ROWS: u32 = 500;
/// For how long is known when a user last looked.
const SEEN_SECONDS: u64 = 400 * 86_400;

/// What is before and after all times in sort keys: digits.
const BEFORE_TIMES: &str = "0";
const AFTER_TIMES: &str = ":";

/// When a missed call became known, by our own clock. Its own times are by the vendor's or a device's.
fn known_at(item: &Item) -> Option<u64> {
    let at: u64 = read_number(item, "at")?;
    Some(read_number(item, "received_at").unwrap_or(at))
}

/// The names of the tables.
#[derive(Clone, Debug)]
pub struct Tables {
    pub records: TableName,
    pub views: TableName,
    pub figures: TableName,
}

/// Calls in DynamoDB. It uses `Query` and `GetItem`, and `PutItem` for when a user last looked.
#[derive(Clone, Debug)]
pub struct DynamoDbCalls {
    client: Client,
    pub(super) tables: Tables,
    shards: u32,
}

struct Found {
    items: Vec<Item>,
    /// The sort key that the query came to, if it did not come to the end.
    reached: Option<String>,
}

impl DynamoDbCalls {
    /// `shards`: how many parts the rows of a day and of the live calls have.
    pub fn new(client: Client, tables: Tables, shards: u32) -> Self {
        Self { client, tables, shards }
    }

    async fn query(&self, table: &TableName, query: Query) -> Result<Found, Failure> {
        let filter = (!query.filters.is_empty()).then(|| query.filters.join(" AND "));
        let sent = self
            .client
            .query()
            .table_name(table.as_str())
            .key_condition_expression(query.condition)
            .set_filter_expression(filter)
            .set_expression_attribute_names(Some(query.names))
            .set_expression_attribute_values(Some(query.values))
            .set_exclusive_start_key(query.start)
            .scan_index_forward(!query.newest_first)
            .consistent_read(query.consistent)
            .set_limit(query.limit);
        // The SDK's futures are nested so deep that the compiler gives up on their holders.
        let found = Box::pin(sent.send()).await.map_err(|error| unavailable(error.into_service_error()))?;
        let reached = found.last_evaluated_key.as_ref().and_then(|key| read_text(key, query.keys.sort));
        Ok(Found { items: found.items.unwrap_or_default(), reached })
    }

    /// Every item that a query is about, in as many requests as it takes.
    pub(super) async fn all(&self, table: &TableName, query: Query) -> Result<Vec<Item>, Failure> {
        let (mut items, mut next) = (Vec::new(), Some(query.clone()));
        while let Some(part) = next.take() {
            let found = self.query(table, part).await?;
            items.extend(found.items);
            next = found.reached.map(|reached| query.clone().starting_after(reached));
        }
        Ok(items)
    }

    /// The newest missed calls of a user, and the item that says when they last looked.
    async fn missed_of(&self, user: &UserKey, now: Arrival) -> Result<Vec<Item>, Failure> {
        // Backwards from `seen`, which is after all `call#…`.
        let query = Query::between(PK_SK, key::user(user), "call#", key::SEEN).unexpired(now).missed();
        let query = Query { consistent: true, ..query.newest_first().limit(COUNTED_ROWS) };
        Ok(self.query(&self.tables.views, query).await?.items)
    }

    /// One query for a page of rows of a partition, newest first.
    async fn part<T: DeserializeOwned>(
        &self,
        place: Place<'_>,
        page: &Page,
        narrow: impl Fn(Query) -> Query,
        is_narrow: bool,
    ) -> Result<Part<T>, Failure> {
        let Place { partition, prefix, low, high } = place;
        let after = page.after.as_ref().map(Cursor::key);
        let high = after.filter(|after| *after < high).unwrap_or(high);
        if high < low {
            return Ok(Part { rows: Vec::new(), reached: None });
        }
        // One row more tells whether there are more. The row of the cursor is found again.
        let limit = if is_narrow { FILTERED_ROWS } else { page.limit + 1 + u32::from(after.is_some()) };
        let query = Query::between(PK_SK, partition, &format!("{prefix}{low}"), &format!("{prefix}{high}"));
        let found = self.query(&self.tables.views, narrow(query).newest_first().limit(limit)).await?;
        let without_prefix = |key: String| key.strip_prefix(prefix).map(str::to_owned);
        let rows = found.items.into_iter().filter_map(|item| {
            let key = without_prefix(read_text(&item, PK_SK.sort)?)?;
            if Some(key.as_str()) == after { None } else { Some((key, read_row(item)?)) }
        });
        Ok(Part { rows: rows.collect(), reached: found.reached.and_then(without_prefix) })
    }
}

/// Where rows lie: in a partition, with sort keys that begin with `prefix`, and after it are between `low`
/// and `high`.
struct Place<'a> {
    partition: String,
    prefix: &'a str,
    low: &'a str,
    high: &'a str,
}

/// A row. One that cannot be read is left out, so that it does not hide all others: a newer version may have
/// written it.
fn read_row<T: DeserializeOwned>(item: Item) -> Option<T> {
    let row = serde_dynamo::from_item(item);
    if row.is_err() {
        tracing::warn!("a row of the views table cannot be read and is left out");
    }
    row.ok()
}

/// A page of rows out of what was found. `is_current`: see [`merge`].
fn page_of<T>(parts: Vec<Part<T>>, limit: u32, is_current: impl Fn(usize, &T) -> bool) -> Rows<T> {
    let (rows, next) = merge(parts, usize::try_from(limit).unwrap_or(usize::MAX), is_current);
    Rows { rows, next: next.as_deref().and_then(Cursor::new) }
}

impl ReadCalls for DynamoDbCalls {
    async fn users_calls(
        &self,
        user: &UserKey,
        missed: bool,
        page: &Page,
        now: Arrival,
    ) -> Result<Rows<UserRow>, Failure> {
        let place =
            Place { partition: key::user(user), prefix: "call#", low: BEFORE_TIMES, high: AFTER_TIMES };
        let narrow = |query: Query| {
            let query = query.unexpired(now);
            if missed { query.missed() } else { query }
        };
        let part = self.part::<UserRow>(place, page, narrow, missed).await?;
        let Rows { rows, next } = page_of(vec![part], page.limit, |_, _| true);
        Ok(Rows { rows: rows.into_iter().map(UserRow::with_talk).collect(), next })
    }

    async fn unseen(&self, user: &UserKey, now: Arrival) -> Result<(u32, Option<Moment>), Failure> {
        let items = self.missed_of(user, now).await?;
        let seen = items.iter().find_map(|item| Moment::from_milliseconds(read_number(item, "seen_at")?));
        let seen_to: Option<u64> = items.iter().find_map(|item| read_number(item, "seen_to"));
        let known = items.iter().filter_map(known_at);
        let unseen = known.filter(|at| seen_to.is_none_or(|seen_to| *at > seen_to)).count();
        Ok((u32::try_from(unseen).unwrap_or(u32::MAX).min(LARGEST_PAGE), seen))
    }

    async fn see(&self, user: &UserKey, now: Arrival) -> Result<(), Failure> {
        let items = self.missed_of(user, now).await?;
        let put = self
            .client
            .put_item()
            .table_name(self.tables.views.as_str())
            .item(PK_SK.partition, text(&key::user(user)))
            .item(PK_SK.sort, text(key::SEEN))
            .item("seen_at", number(now.milliseconds))
            // A call that is not in the list yet is not seen, whatever the time is.
            .item("seen_to", number(items.iter().filter_map(known_at).max().unwrap_or(0)))
            .item("expires_at", number(now.seconds() + SEEN_SECONDS))
            // Of two phones, the one that looked last counts.
            .condition_expression("attribute_not_exists(pk) OR seen_at < :now")
            .expression_attribute_values(":now", number(now.milliseconds));
        match Box::pin(put.send()).await.map_err(SdkError::into_service_error) {
            Ok(_) | Err(PutItemError::ConditionalCheckFailedException(_)) => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn calls(
        &self,
        span: Span,
        filter: &Filter,
        page: &Page,
        now: Arrival,
    ) -> Result<Rows<CallRow>, Failure> {
        let (low, high) = (time_key(span.from), time_key(span.to));
        let newest = page.after.as_ref().map(|after| after.key().to_owned());
        let mut rows: Vec<CallRow> = Vec::new();
        let mut next = None;
        for day in span.days().into_iter().rev() {
            // Days after the cursor's were shown before.
            let begins = days::begin_of(&day).map(time_key);
            if newest.as_ref().zip(begins.as_ref()).is_some_and(|(newest, begins)| newest < begins) {
                continue;
            }
            let shown = u32::try_from(rows.len()).unwrap_or(u32::MAX);
            if next.is_some() || shown >= page.limit {
                next = next.or_else(|| rows.last().and_then(Cursor::of));
                break;
            }
            let rest = Page { limit: page.limit - shown, after: page.after.clone() };
            let parts = (0..self.shards).map(|shard| {
                let place = Place { partition: key::day(&day, shard), prefix: "", low: &low, high: &high };
                let narrow = |query: Query| query.unexpired(now).filtered(filter);
                self.part::<CallRow>(place, &rest, narrow, !filter.is_empty())
            });
            let is_current = |part, row: &CallRow| {
                let session = SessionId::parse(&row.sid);
                session.is_some_and(|session| usize::try_from(key::shard(&session, self.shards)) == Ok(part))
            };
            let Rows { rows: days_rows, next: days_next } =
                page_of(try_join_all(parts).await?, rest.limit, is_current);
            rows.extend(days_rows);
            next = days_next;
        }
        Ok(Rows { rows, next })
    }

    async fn rooms_calls(
        &self,
        provider: &str,
        service: &str,
        room: &str,
        page: &Page,
        now: Arrival,
    ) -> Result<Rows<CallRow>, Failure> {
        let partition = key::room(provider, service, room);
        let place = Place { partition, prefix: "", low: BEFORE_TIMES, high: AFTER_TIMES };
        let part = self.part::<CallRow>(place, page, |query| query.unexpired(now), false).await?;
        Ok(page_of(vec![part], page.limit, |_, _| true))
    }

    async fn live(&self, now: Arrival) -> Result<Vec<CallRow>, Failure> {
        let shards = (0..self.shards).map(|shard| {
            let query = Query::between(PK_SK, key::live(shard), " ", "\u{10ffff}");
            self.all(&self.tables.views, query.unexpired(now))
        });
        Ok(try_join_all(shards).await?.into_iter().flatten().filter_map(read_row).collect())
    }

    async fn call(&self, session: &SessionId, now: Arrival) -> Result<Option<Map<String, Value>>, Failure> {
        let get = self
            .client
            .get_item()
            .table_name(self.tables.records.as_str())
            .key(SID_RECORD.partition, text(session.as_str()))
            .key(SID_RECORD.sort, text(CALL));
        let got = Box::pin(get.send()).await.map_err(|error| unavailable(error.into_service_error()))?;
        Ok(got.item.filter(|item| is_kept(item, now)).and_then(read_row))
    }

    async fn events(
        &self,
        session: &SessionId,
        page: &Page,
        now: Arrival,
    ) -> Result<Rows<Map<String, Value>>, Failure> {
        const PREFIX: &str = "event#";
        let after = page.after.as_ref().map(Cursor::key);
        let low = format!("{PREFIX}{}", after.unwrap_or(BEFORE_TIMES));
        let high = format!("{PREFIX}{AFTER_TIMES}");
        let limit = page.limit + 1 + u32::from(after.is_some());
        let query = Query::between(SID_RECORD, session.as_str().to_owned(), &low, &high);
        let found = self.query(&self.tables.records, query.unexpired(now).limit(limit)).await?;
        let key = |item: &Item| read_text(item, SID_RECORD.sort);
        let mut items: Vec<Item> = found
            .items
            .into_iter()
            .filter(|item| after.is_none() || key(item).as_ref() != Some(&low))
            .collect();
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let reached = if items.len() > limit { items.get(limit - 1).and_then(key) } else { found.reached };
        items.truncate(limit);
        let next = reached.and_then(|key| Cursor::new(key.strip_prefix(PREFIX)?));
        Ok(Rows { rows: items.into_iter().filter_map(read_row).collect(), next })
    }

    async fn figures(&self, span: Span, by: By, now: Arrival) -> Result<Vec<(Period, Figures)>, Failure> {
        self.summed(span, by, now).await
    }
}

/// What the sort keys of a moment begin with.
fn time_key(moment: Moment) -> String {
    format!("{:013}", moment.milliseconds())
}

fn is_kept(item: &Item, now: Arrival) -> bool {
    read_number::<u64>(item, "expires_at").is_some_and(|expires_at| expires_at > now.seconds())
}
