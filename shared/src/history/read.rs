//! Reading calls: for the HTTP API, the console and the operators' program.

use serde_json::{Map, Value};

use crate::aws::Failure;
use crate::call::model::{Arrival, Kind, Media, Moment, Outcome, SessionId};
use crate::history::figures::{Figures, Period};
use crate::history::key::UserKey;
use crate::history::row::{CallRow, UserRow};

/// Rows a page, at most.
pub const LARGEST_PAGE: u32 = 100;

/// Which part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// 1 to [`LARGEST_PAGE`].
    pub limit: u32,
    /// Begin after this sort key. The partition never comes from a cursor.
    pub after: Option<Cursor>,
}

/// The last sort key of a page, as its reader got it: 13 digits of milliseconds, `#`, session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub String);

/// Rows, and where the next page begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows<T> {
    pub rows: Vec<T>,
    pub next: Option<Cursor>,
}

/// Which calls of the operator's list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub provider: Option<String>,
    pub service: Option<String>,
    pub outcome: Option<Outcome>,
    pub kind: Option<Kind>,
    pub media: Option<Media>,
}

/// From a moment on, to before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: Moment,
    pub to: Moment,
}

/// By what figures are summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Hour,
    Day,
}

/// The calls, newest first, without what has expired at `now`.
pub trait ReadCalls {
    fn users_calls(
        &self,
        user: &UserKey,
        missed: bool,
        page: &Page,
        now: Arrival,
    ) -> impl Future<Output = Result<Rows<UserRow>, Failure>>;

    /// When the user last looked, and how many calls they missed since; at most [`LARGEST_PAGE`] are counted.
    fn unseen(
        &self,
        user: &UserKey,
        now: Arrival,
    ) -> impl Future<Output = Result<(u32, Option<Moment>), Failure>>;

    fn see(&self, user: &UserKey, now: Arrival) -> impl Future<Output = Result<(), Failure>>;

    fn calls(
        &self,
        span: Span,
        filter: &Filter,
        page: &Page,
        now: Arrival,
    ) -> impl Future<Output = Result<Rows<CallRow>, Failure>>;

    fn rooms_calls(
        &self,
        provider: &str,
        service: &str,
        room: &str,
        page: &Page,
        now: Arrival,
    ) -> impl Future<Output = Result<Rows<CallRow>, Failure>>;

    /// Every call that has not ended, in no order.
    fn live(&self, now: Arrival) -> impl Future<Output = Result<Vec<CallRow>, Failure>>;

    /// The item `call` of the records table, as it is.
    fn call(
        &self,
        session: &SessionId,
        now: Arrival,
    ) -> impl Future<Output = Result<Option<Map<String, Value>>, Failure>>;

    /// Callbacks of a call in the vendor's order of time, as they were kept. A cursor here is a
    /// sort key of an event.
    fn events(
        &self,
        session: &SessionId,
        page: &Page,
        now: Arrival,
    ) -> impl Future<Output = Result<Rows<Map<String, Value>>, Failure>>;

    /// Figures of a span, oldest first.
    fn figures(&self, span: Span, by: By) -> impl Future<Output = Result<Vec<(Period, Figures)>, Failure>>;
}
