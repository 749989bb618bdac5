//! Live calls, and which of them are silent. Vendors lose end events, and such a call stays live.

use std::cmp::Reverse;

use crate::call::model::Arrival;
use crate::history::read::{Cursor, Rows, fitting};
use crate::history::row::CallRow;

/// Hours of silence after which a call is not listed any more.
pub const LISTED_HOURS: u64 = 24;

/// A live call as lists show it.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveCall {
    pub call: CallRow,
    /// Seconds since the last event.
    pub quiet_s: u64,
    /// Nothing was heard of it for longer than is usual. The end may be lost.
    pub stale: bool,
}

impl LiveCall {
    /// `None` if it was silent for more than [`LISTED_HOURS`].
    pub fn new(call: CallRow, stale_hours: u64, now: Arrival) -> Option<Self> {
        let heard = call.last_event_at.unwrap_or(call.at).milliseconds();
        let quiet_s = now.milliseconds.saturating_sub(heard) / 1_000;
        let stale = quiet_s > stale_hours.saturating_mul(3_600);
        (quiet_s <= LISTED_HOURS * 3_600).then_some(Self { call, quiet_s, stale })
    }
}

/// The live calls, the newest first.
pub fn live_calls(mut calls: Vec<CallRow>, stale_hours: u64, now: Arrival) -> Vec<LiveCall> {
    // After `Shards` was raised, a call can be in two shards: its newest row counts.
    let key = |call: &CallRow| (call.provider.clone(), call.sid.clone(), Reverse(call.last_event_at));
    calls.sort_by_cached_key(key);
    calls.dedup_by(|a, b| (&a.provider, &a.sid) == (&b.provider, &b.sid));
    let listed = calls.into_iter().filter_map(|call| LiveCall::new(call, stale_hours, now));
    let mut listed: Vec<LiveCall> = listed.collect();
    listed.sort_by_cached_key(|live| Reverse(Cursor::of(&live.call).map(|cursor| cursor.key().to_owned())));
    listed
}

/// The calls after the cursor, as many as fit into one answer. `bytes`: how much of it a call takes.
pub fn page(
    live: Vec<LiveCall>,
    after: Option<&Cursor>,
    bytes: impl Fn(&LiveCall) -> usize,
) -> Rows<LiveCall> {
    let cursor = |each: &LiveCall| Cursor::of(&each.call);
    let is_older =
        |each: &LiveCall| after.is_none_or(|after| cursor(each).is_some_and(|own| own.key() < after.key()));
    fitting(live.into_iter().filter(is_older), cursor, bytes)
}
