//! Calls in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::aws::{Failure, Service};
use crate::call::model::{Arrival, Moment, SessionId};
use crate::history::figures::{Figures, Period};
use crate::history::key::{self, UserKey};
use crate::history::read::days::day_of;
use crate::history::read::{By, Cursor, Filter, LARGEST_PAGE, Page, ReadCalls, Rows, Span};
use crate::history::row::{CallRow, UserRow};

/// The tables of the reading side in memory, with their keys, in one shard.
#[derive(Debug, Default)]
pub struct MemoryCalls {
    views: RefCell<BTreeMap<(String, String), Value>>,
    records: RefCell<BTreeMap<(String, String), Value>>,
    figures: RefCell<Vec<(Period, Figures)>>,
    is_down: bool,
}

impl MemoryCalls {
    /// Calls that cannot be read.
    pub fn down() -> Self {
        Self { is_down: true, ..Self::default() }
    }

    fn reach(&self) -> Result<(), Failure> {
        if self.is_down { Err(Failure::TooSlow(Service::DynamoDb)) } else { Ok(()) }
    }

    /// A row with its key.
    pub fn put(&self, partition: String, sort: String, row: &impl Serialize) {
        self.views.borrow_mut().insert((partition, sort), json!(row));
    }

    pub fn put_users_call(&self, user: &UserKey, row: &UserRow) {
        self.put(key::user(user), key::users_call(row.at, &session(&row.sid)), row);
    }

    pub fn put_call(&self, row: &CallRow) {
        let sort = key::moment_and_session(row.at, &session(&row.sid));
        self.put(key::day(&day_of(row.at), 0), sort, row);
    }

    pub fn put_room(&self, room: [&str; 3], row: &CallRow) {
        let [provider, service, id] = room;
        self.put(key::room(provider, service, id), key::moment_and_session(row.at, &session(&row.sid)), row);
    }

    pub fn put_live(&self, row: &CallRow) {
        self.put(key::live(0), key::live_call(&row.provider, &session(&row.sid)), row);
    }

    /// An item of the records table.
    pub fn put_record(&self, item: Value) {
        let text = |name: &str| item[name].as_str().unwrap().to_owned();
        self.records.borrow_mut().insert((text("sid"), text("record")), item);
    }

    pub fn put_figures(&self, period: Period, figures: Figures) {
        self.figures.borrow_mut().push((period, figures));
    }

    /// When a user's missed calls became known.
    async fn known(&self, user: &UserKey, now: Arrival) -> Result<impl Iterator<Item = u64>, Failure> {
        let all = Page { limit: LARGEST_PAGE, after: None };
        let missed = self.users_calls(user, true, &all, now).await?.rows;
        Ok(missed.into_iter().map(|row| row.received_at.unwrap_or(row.at.milliseconds())))
    }

    /// A page of a partition, newest first.
    fn page<T: DeserializeOwned>(
        &self,
        partition: &str,
        prefix: &str,
        page: &Page,
        now: Arrival,
        picks: impl Fn(&Value) -> bool,
    ) -> Rows<T> {
        let views = self.views.borrow();
        let newest = views.iter().rev().filter(|((pk, _), _)| pk == partition);
        let found = newest.filter_map(|((_, sk), row)| Some((sk.strip_prefix(prefix)?, row)));
        let before = |sk: &str| page.after.as_ref().is_none_or(|after| sk < after.key());
        let mut found = found.filter(|(sk, row)| before(sk) && unexpired(row, now) && picks(row));
        let shown: Vec<_> = found.by_ref().take(page.limit as usize).collect();
        let next = found.next().and(shown.last()).and_then(|(sk, _)| Cursor::new(sk));
        let rows = shown.into_iter().map(|(_, row)| serde_json::from_value(row.clone()).unwrap());
        Rows { rows: rows.collect(), next }
    }
}

fn session(sid: &str) -> SessionId {
    SessionId::parse(sid).unwrap()
}

fn unexpired(item: &Value, now: Arrival) -> bool {
    item["expires_at"].as_u64().is_some_and(|expires_at| expires_at > now.seconds())
}

fn matches(filter: &Filter, row: &Value) -> bool {
    let is = |name: &str, wanted: Value| wanted.is_null() || row[name] == wanted;
    let services = [&row["room"], &row["caller"], &row["callees"][0]].map(|of| &of["service_id"]);
    is("provider", json!(filter.provider))
        && is("outcome", json!(filter.outcome))
        && is("kind", json!(filter.kind))
        && is("media", json!(filter.media))
        && filter.service.as_ref().is_none_or(|service| services.contains(&&json!(service)))
}

impl ReadCalls for MemoryCalls {
    async fn users_calls(
        &self,
        user: &UserKey,
        missed: bool,
        page: &Page,
        now: Arrival,
    ) -> Result<Rows<UserRow>, Failure> {
        self.reach()?;
        let picks = |row: &Value| !missed || row["missed"] == true;
        let Rows { rows, next } = self.page::<UserRow>(&key::user(user), "call#", page, now, picks);
        Ok(Rows { rows: rows.into_iter().map(UserRow::with_talk).collect(), next })
    }

    async fn unseen(&self, user: &UserKey, now: Arrival) -> Result<(u32, Option<Moment>), Failure> {
        self.reach()?;
        let seen = self.views.borrow().get(&(key::user(user), key::SEEN.to_owned())).cloned();
        let seen = seen.unwrap_or_default();
        let unseen = self.known(user, now).await?.filter(|at| seen["seen_to"].as_u64() < Some(*at)).count();
        let seen_at = seen["seen_at"].as_u64().and_then(Moment::from_milliseconds);
        Ok((u32::try_from(unseen).unwrap(), seen_at))
    }

    async fn see(&self, user: &UserKey, now: Arrival) -> Result<(), Failure> {
        self.reach()?;
        let seen_to = self.known(user, now).await?.max().unwrap_or(0);
        let seen = json!({ "seen_at": now.milliseconds, "seen_to": seen_to });
        self.put(key::user(user), key::SEEN.to_owned(), &seen);
        Ok(())
    }

    async fn calls(
        &self,
        span: Span,
        filter: &Filter,
        page: &Page,
        now: Arrival,
    ) -> Result<Rows<CallRow>, Failure> {
        self.reach()?;
        let mut rows: Vec<CallRow> = Vec::new();
        for day in span.days().into_iter().rev() {
            let within = |row: &Value| {
                let at = row["at"].as_u64().unwrap();
                (span.from.milliseconds()..span.to.milliseconds()).contains(&at)
            };
            let picks = |row: &Value| within(row) && matches(filter, row);
            let all = Page { limit: u32::MAX, after: page.after.clone() };
            rows.extend(self.page::<CallRow>(&key::day(&day, 0), "", &all, now, picks).rows);
        }
        let more = rows.len() > page.limit as usize;
        rows.truncate(page.limit as usize);
        let last = rows.last().filter(|_| more);
        let next = last.and_then(|row| Cursor::new(&key::moment_and_session(row.at, &session(&row.sid))));
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
        self.reach()?;
        Ok(self.page(&key::room(provider, service, room), "", page, now, |_| true))
    }

    async fn live(&self, now: Arrival) -> Result<Vec<CallRow>, Failure> {
        self.reach()?;
        let all = Page { limit: u32::MAX, after: None };
        Ok(self.page(&key::live(0), "", &all, now, |_| true).rows)
    }

    async fn call(&self, session: &SessionId, now: Arrival) -> Result<Option<Map<String, Value>>, Failure> {
        self.reach()?;
        let records = self.records.borrow();
        let item = records.get(&(session.as_str().to_owned(), "call".to_owned()));
        Ok(item.filter(|item| unexpired(item, now)).and_then(Value::as_object).cloned())
    }

    async fn events(
        &self,
        session: &SessionId,
        page: &Page,
        now: Arrival,
    ) -> Result<Rows<Map<String, Value>>, Failure> {
        self.reach()?;
        let records = self.records.borrow();
        let of_session =
            records.iter().filter(|((sid, _), item)| sid == session.as_str() && unexpired(item, now));
        let events = of_session.filter_map(|((_, sk), item)| Some((sk.strip_prefix("event#")?, item)));
        let after = page.after.as_ref().map(Cursor::key);
        let mut events = events.filter(|(sk, _)| after.is_none_or(|after| *sk > after));
        let shown: Vec<_> = events.by_ref().take(page.limit as usize).collect();
        let next = events.next().and(shown.last()).and_then(|(sk, _)| Cursor::new(sk));
        Ok(Rows {
            rows: shown.into_iter().map(|(_, item)| item.as_object().unwrap().clone()).collect(),
            next,
        })
    }

    async fn figures(&self, span: Span, by: By, _: Arrival) -> Result<Vec<(Period, Figures)>, Failure> {
        self.reach()?;
        let wanted = |(period, _): &&(Period, Figures)| match by {
            By::Hour => period.hour.is_some_and(|hour| span.touches(&period.day, hour)),
            By::Day => period.hour.is_none() && span.days().contains(&period.day),
        };
        Ok(self.figures.borrow().iter().filter(wanted).cloned().collect())
    }
}
