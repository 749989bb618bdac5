//! The rows of a call, as a function of its item.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::call::model::{Kind, Moment, Outcome, Person, Releaser, SessionId};
use crate::call::{Participant, participant::Role};
use crate::history::call::StoredCall;
use crate::history::key;
use crate::history::read::days;
use crate::history::read::live::LISTED_HOURS;
use crate::history::row::{CallRow, Direction, EndedBy, UserRow};
use crate::text::bounds::LISTED_PEOPLE;

/// Partition and sort key of a row.
pub type Key = (String, String);

/// A row of the views table.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Row {
    User(Box<UserRow>),
    Call(Box<CallRow>),
}

impl Row {
    /// Whether a reader sees the same. Each callback moves when a row expires and was received: that alone is
    /// no change.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.without_arrival() == other.without_arrival()
    }

    fn without_arrival(&self) -> Self {
        match self.clone() {
            Self::User(row) => Self::User(Box::new(UserRow { expires_at: 0, received_at: None, ..*row })),
            Self::Call(row) => Self::Call(Box::new(CallRow { expires_at: 0, ..*row })),
        }
    }
}

/// How rows are laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Parts of each day's and of the live calls' rows.
    pub shards: u32,
    /// Users without rows of their own, such as a bot in every call: one key takes 1,000 writes a second.
    pub unindexed: BTreeSet<String>,
}

impl Layout {
    /// The same with rows for everybody.
    #[must_use]
    pub fn with_everybody(&self) -> Self {
        Self { shards: self.shards, unindexed: BTreeSet::new() }
    }
}

impl Default for Layout {
    fn default() -> Self {
        Self { shards: crate::history::SHARDS, unindexed: BTreeSet::new() }
    }
}

/// The rows of a call.
pub fn rows(call: &StoredCall, layout: &Layout) -> BTreeMap<Key, Row> {
    let (Some(session), Some(at)) = (call.session(), call.at()) else { return BTreeMap::new() };
    let shard = key::shard(&session, layout.shards);
    let in_lists = key::moment_and_session(at, &session);
    let Some(row) = list_row(call) else { return BTreeMap::new() };
    // What each event of a room changes is only in its live row.
    let listed = Row::Call(Box::new(CallRow { online: None, last_event_at: None, ..row.clone() }));
    let row = Row::Call(Box::new(live_row(call, row)));
    let mut rows = users_rows(call, &session, layout);
    rows.insert((key::day(&days::day_of(at), shard), in_lists.clone()), listed.clone());
    if let Some(room) = call.room.as_ref().and_then(|room| room.id.as_ref()) {
        let partition = key::room(&call.provider, call.service(), room.reveal());
        rows.insert((partition, in_lists), listed);
    }
    // LINE tells of a one-to-one call only when it is over.
    if !call.has_ended() && (call.provider != "line" || call.kind == Kind::Group) {
        rows.insert((key::live(shard), key::live_call(&call.provider, &session)), row);
    }
    rows
}

/// Where a call's rows may lie since there were fewer parts than now.
pub fn keys_in_former_parts(call: &StoredCall, layout: &Layout) -> BTreeSet<Key> {
    let (Some(session), Some(at)) = (call.session(), call.at()) else { return BTreeSet::new() };
    let part = key::shard(&session, layout.shards);
    let former =
        (1..layout.shards).map(|shards| key::shard(&session, shards)).filter(|former| *former != part);
    let keys = |part: u32| {
        let day = (key::day(&days::day_of(at), part), key::moment_and_session(at, &session));
        [day, (key::live(part), key::live_call(&call.provider, &session))]
    };
    former.flat_map(keys).collect()
}

/// How long the row of a live call is kept after its last callback, in seconds: a little longer than it is
/// listed, so that calls whose end was lost do not pile up.
const LIVE_SECONDS: u64 = (LISTED_HOURS + 1) * 3_600;

fn live_row(call: &StoredCall, row: CallRow) -> CallRow {
    let received = Moment::from_milliseconds(call.received_at);
    CallRow {
        // A device's clock can be ahead. Nothing is heard of later than it is received.
        last_event_at: row.last_event_at.map(|at| received.map_or(at, |received| at.min(received))),
        expires_at: row.expires_at.min(call.received_at / 1_000 + LIVE_SECONDS),
        ..row
    }
}

/// The call as lists show it.
pub fn list_row(call: &StoredCall) -> Option<CallRow> {
    Some(CallRow {
        provider: call.provider.clone(),
        sid: call.sid.clone(),
        kind: call.kind,
        status: call.status,
        outcome: call.outcome,
        media: call.media,
        caller: call.caller.clone(),
        callees: callees(call),
        room: call.room.clone(),
        online: call.online,
        at: call.at()?,
        started_at: call.started_at,
        ended_at: call.ended_at,
        talk_s: call.duration_s,
        ring_s: call.ring_s(),
        released_by: call.released_by,
        reason: call.reason.clone(),
        last_event_at: call.last_event_at,
        expires_at: call.expires_at,
    })
}

fn callees(call: &StoredCall) -> Vec<Person> {
    call.callee.iter().chain(&call.callees).take(LISTED_PEOPLE).cloned().collect()
}

fn users_rows(call: &StoredCall, session: &SessionId, layout: &Layout) -> BTreeMap<Key, Row> {
    let people = call.participants();
    let row = |me: &Participant| {
        let user = call.user_key(&me.person).filter(|user| !layout.unindexed.contains(&user.user))?;
        let row = users_row(call, me, &people)?;
        Some(((key::user(&user), key::users_call(row.at, session)), Row::User(Box::new(row))))
    };
    people.iter().filter_map(row).collect()
}

fn users_row(call: &StoredCall, me: &Participant, people: &[Participant]) -> Option<UserRow> {
    let direction = match me.role {
        Role::Caller => Direction::Out,
        Role::Callee => Direction::In,
        Role::Joined => Direction::Joined,
    };
    let with = people.iter().filter(|other| !other.person.is_same_as(&me.person));
    Some(UserRow {
        provider: call.provider.clone(),
        sid: call.sid.clone(),
        direction,
        kind: call.kind,
        status: Some(call.status),
        outcome: me.outcome,
        missed: is_missed(call, me),
        media: call.media,
        with: with.take(LISTED_PEOPLE).map(|other| other.person.clone()).collect(),
        room: call.room.clone(),
        at: call.at()?,
        started_at: call.started_at.filter(|_| talked(me)),
        ended_at: call.ended_at,
        talk_s: talk_s(call, me),
        ring_s: call.ring_s(),
        ended_by: call.has_ended().then(|| ended_by(call, me, people)).flatten(),
        reason: call.reason.clone(),
        came: BTreeSet::new(),
        left: BTreeSet::new(),
        medias: BTreeSet::new(),
        received_at: Some(call.received_at),
        expires_at: call.expires_at,
    })
}

/// A call is missed by who was called, if they neither talked nor declined nor answered on another device.
/// So a canceled call, a busy phone and a push that failed are missed too.
pub fn is_missed(call: &StoredCall, me: &Participant) -> bool {
    let settled =
        matches!(me.outcome, Some(Outcome::Answered | Outcome::Rejected | Outcome::AnsweredElsewhere));
    me.role == Role::Callee && call.has_ended() && !settled
}

fn talked(me: &Participant) -> bool {
    me.role == Role::Caller || me.outcome == Some(Outcome::Answered)
}

/// Seconds of a person's talk in a call that ended.
pub fn talk_s(call: &StoredCall, me: &Participant) -> Option<u64> {
    call.duration_s.map(|seconds| if talked(me) { own_talk(call, me, seconds) } else { 0 })
}

/// Who came late to a group, or left early, talked for less than the whole call.
fn own_talk(call: &StoredCall, me: &Participant, whole: u64) -> u64 {
    if call.kind == Kind::OneToOne {
        return whole;
    }
    // Each answer of a callee is a sign of the caller, too. So theirs counts only after they had left.
    let came = me.came.filter(|came| me.role != Role::Caller || me.left.is_some_and(|left| left < *came));
    let came = came.max(call.started_at);
    let left = left_of_last_stay(call, me);
    let own = came.zip(left).and_then(|(came, left)| left.milliseconds().checked_sub(came.milliseconds()));
    own.map_or(whole, |milliseconds| (milliseconds / 1_000).min(whole))
}

/// When the last stay of a participant ended. Who left and came back has left before that stay.
pub fn left_of_last_stay(call: &StoredCall, me: &Participant) -> Option<Moment> {
    me.left.filter(|left| Some(*left) >= me.came).or(call.ended_at)
}

fn ended_by(call: &StoredCall, me: &Participant, people: &[Participant]) -> Option<EndedBy> {
    Some(match (call.released_by?, me.role) {
        (Releaser::Caller, Role::Caller) | (Releaser::Callee, Role::Callee) => EndedBy::Me,
        (Releaser::CloudServer | Releaser::AppServer, _) => EndedBy::Server,
        // Who left last. The call's own end may have another precision.
        (Releaser::Participant, _) if me.hung_up && people.iter().all(|other| other.left <= me.left) => {
            EndedBy::Me
        }
        _ => EndedBy::Them,
    })
}
