//! What a batch of changes means: the last state of each row, what is counted, and what is told.

use std::collections::{BTreeMap, BTreeSet};

use crate::call::model::{Kind, Media, SessionId};
use crate::history::call::StoredCall;
use crate::history::figures::{Figures, Period};
use crate::history::group_event::GroupEvent;
use crate::history::key;
use crate::history::news::{self, News};
use crate::history::read::days;
use crate::history::row::{CallRow, Direction, UserRow};
use crate::history::rows::{Key, Layout, Row, keys_in_former_parts, rows};
use crate::history::stream::{Batch, Change, Recorded, Sequence};

/// Parts that the hours of one service's day are spread over.
pub const FIGURES_PARTS: u32 = 4;

/// Times and media that are added to the row of a person in a LINE group. Adding them again changes
/// nothing, and their order does not matter.
#[derive(Clone, Debug, PartialEq)]
pub struct Stay {
    /// The row without what is added: all of it is the same in every event of the room.
    pub row: UserRow,
    pub came: BTreeSet<u64>,
    pub left: BTreeSet<u64>,
    pub medias: BTreeSet<Media>,
}

/// Counters of an hour, and what each change adds to them. In order of the sequence numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    pub period: Period,
    pub changes: Vec<(Sequence, Figures)>,
}

/// What a batch means.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Rows to put; `None` deletes one.
    pub rows: BTreeMap<Key, Option<Row>>,
    pub stays: BTreeMap<Key, Stay>,
    pub counts: BTreeMap<Key, Count>,
    pub news: Vec<News>,
    /// Whose row a key is, to make it again later.
    pub sessions: BTreeMap<Key, String>,
    /// What stays in lists of calls that were erased.
    pub nameless: BTreeMap<Key, CallRow>,
    /// Vendor and service of everybody who has rows, so that they can be found.
    pub services: BTreeSet<(String, String)>,
    /// Numbers of changes that cannot be read.
    pub unreadable: Vec<String>,
}

impl Plan {
    /// Folds a batch.
    pub fn of(batch: &Batch, layout: &Layout) -> Self {
        let mut plan = Self::default();
        for Recorded { number, sequence, change } in &batch.records {
            match (change, sequence) {
                (Ok(Change::Call { old, new }), Some(sequence)) => {
                    plan.change(old.as_deref(), new.as_deref(), layout);
                    plan.count(old.as_deref(), new.as_deref(), sequence, &batch.shard);
                }
                (Ok(Change::GroupEvent { old, new }), _) => {
                    plan.group_event(old.as_deref(), new.as_deref(), layout);
                }
                (Ok(Change::Nothing), _) => {}
                (Err(_), _) | (_, None) => plan.unreadable.push(number.clone()),
            }
        }
        plan
    }

    fn change(&mut self, old: Option<&StoredCall>, new: Option<&StoredCall>, layout: &Layout) {
        let rows_of = |call: Option<&StoredCall>, layout: &Layout| {
            call.map(|call| rows(call, layout)).unwrap_or_default()
        };
        // A user may have had rows before they were left out of the lists.
        let all = layout.with_everybody();
        let (mut before, after) =
            (rows_of(old, if new.is_none() { &all } else { layout }), rows_of(new, layout));
        let Some(session) = old.or(new).map(|call| call.sid.clone()) else { return };
        for (key, mut row) in after {
            let known = before.remove(&key);
            // Who saw that they missed the call need not be told again.
            if let (Some(Row::User(known)), Row::User(row)) = (&known, &mut row)
                && known.missed
                && row.missed
            {
                row.received_at = known.received_at;
            }
            self.services.extend(key::service_of_user(&key.0));
            // Most callbacks of a call change few of its rows, and each put costs a write unit.
            if known.is_none_or(|known| !known.is_same_as(&row)) {
                self.sessions.insert(key.clone(), session.clone());
                self.rows.insert(key, Some(row));
            }
        }
        for (key, row) in before {
            self.sessions.insert(key.clone(), session.clone());
            let nameless = nameless(&key, row).filter(|_| new.is_none());
            self.nameless.extend(nameless.clone().map(|row| (key.clone(), row)));
            self.rows.insert(key, nameless.map(|row| Row::Call(Box::new(row))));
        }
        match (old, new) {
            (_, Some(new)) => self.news.extend(news::of_call(old, new)),
            // What is erased must not stay anywhere.
            (Some(old), None) => {
                for key in keys_in_former_parts(old, layout) {
                    self.sessions.insert(key.clone(), session.clone());
                    self.rows.insert(key, None);
                }
            }
            (None, None) => {}
        }
    }

    /// Adds the difference of two items. A deleted call stays counted: figures outlive the records.
    fn count(
        &mut self,
        old: Option<&StoredCall>,
        new: Option<&StoredCall>,
        sequence: &Sequence,
        stream_shard: &str,
    ) {
        let Some(new) = new else { return };
        let Some(session) = SessionId::parse(&new.sid) else { return };
        let part = key::shard(&session, FIGURES_PARTS);
        let mut differences: BTreeMap<Period, Figures> = BTreeMap::new();
        for (call, times) in [(old, -1), (Some(new), 1)] {
            if let Some((period, figures)) = call.and_then(Figures::of) {
                differences.entry(period).or_default().add(&figures, times);
            }
        }
        for (period, difference) in differences {
            if difference.counters().is_empty() {
                continue;
            }
            let partition = key::hours(&period.provider, &period.service, &period.day, part);
            let sort = key::hour(period.hour.unwrap_or_default(), stream_shard);
            let count = self.counts.entry((partition, sort));
            let count = count.or_insert_with(|| Count { period, changes: Vec::new() });
            count.changes.push((sequence.clone(), difference));
        }
    }

    fn group_event(&mut self, old: Option<&GroupEvent>, new: Option<&GroupEvent>, layout: &Layout) {
        let all = layout.with_everybody();
        let before = old.and_then(|event| Some((stay_key(event, &all)?, event.sid.clone())));
        let after = new.and_then(|event| stay_key(event, layout));
        if let Some((key, session)) = before.filter(|(key, _)| after.as_ref() != Some(key)) {
            self.stays.remove(&key);
            self.sessions.insert(key.clone(), session);
            self.rows.insert(key, None);
        }
        let Some(event) = new else { return };
        if old.is_none() {
            self.news.extend(news::of_group_event(event));
        }
        let Some(key) = after else { return };
        self.services.extend(key::service_of_user(&key.0));
        self.sessions.insert(key.clone(), event.sid.clone());
        // A deletion stays: rows are deleted before stays are added to them.
        let stay = self.stays.entry(key).or_insert_with(|| Stay::empty(event));
        stay.add(event);
    }
}

/// What stays of a row when its call is deleted.
fn nameless((partition, _): &Key, row: Row) -> Option<CallRow> {
    match row {
        Row::Call(row) if key::is_day(partition) => Some(row.without_people()),
        _ => None,
    }
}

/// The key of the row of a person in a LINE group.
pub fn stay_key(event: &GroupEvent, layout: &Layout) -> Option<Key> {
    let session = SessionId::parse(&event.sid)?;
    let is_indexed = !layout.unindexed.contains(&event.user.user);
    is_indexed.then(|| (key::user(&event.user), key::users_call(event.began, &session)))
}

impl Stay {
    pub fn empty(event: &GroupEvent) -> Self {
        let row = UserRow {
            provider: event.provider.clone(),
            sid: event.sid.clone(),
            direction: Direction::Joined,
            kind: Kind::Group,
            status: None,
            outcome: None,
            missed: false,
            media: None,
            with: Vec::new(),
            room: event.room.clone(),
            at: event.began,
            started_at: None,
            ended_at: None,
            talk_s: None,
            ring_s: None,
            ended_by: None,
            reason: BTreeMap::new(),
            came: BTreeSet::new(),
            left: BTreeSet::new(),
            medias: BTreeSet::new(),
            received_at: None,
            expires_at: event.expires_at,
        };
        Self { row, came: BTreeSet::new(), left: BTreeSet::new(), medias: BTreeSet::new() }
    }

    pub fn add(&mut self, event: &GroupEvent) {
        let at = event.at.milliseconds();
        self.came.extend(event.came.then_some(at));
        self.left.extend(event.left.then_some(at));
        self.medias.extend(event.media);
        self.row.expires_at = self.row.expires_at.max(event.expires_at);
    }

    /// The whole row, as it is after all of its events.
    pub fn into_row(self) -> UserRow {
        UserRow { came: self.came, left: self.left, medias: self.medias, ..self.row }
    }
}

/// When the counters of an hour expire: 40 days after their day, in seconds.
pub fn counters_expire_at(period: &Period) -> u64 {
    const DAYS: u64 = 41;
    days::begin_of(&period.day).map_or(0, |day| day.milliseconds() / 1_000) + DAYS * 86_400
}
