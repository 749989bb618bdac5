//! Reading calls: for the HTTP API, the console and the operators' program.

pub mod days;
pub mod dynamodb;
pub mod live;
mod merge;
pub mod participants;
mod query;
pub mod stays;
mod stored_figures;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, NO_PAD};
use serde_json::{Map, Value};

use crate::aws::Failure;
use crate::call::model::{Arrival, Kind, Media, Moment, Outcome, SessionId};
use crate::history::figures::{Figures, Period};
use crate::history::key::{self, UserKey};
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

/// The last sort key of a page: 13 digits of milliseconds, `#`, and a session or an event's digest.
///
/// As readers get it, it is the digits and the rest in Base64 for URLs. Any text of that form is a cursor, so
/// that docs/history.openapi.yaml can say by a pattern what one is. It only says where in a list to go on.
#[derive(Clone, PartialEq, Eq)]
pub struct Cursor(String);

const UNUSED_BITS: GeneralPurposeConfig = NO_PAD.with_decode_allow_trailing_bits(true);

impl Cursor {
    /// Digits of a time in a sort key.
    const DIGITS: usize = 13;
    /// Bytes after the time. A session id has at most 256, and each may be percent-encoded.
    const ID_BYTES: usize = 768;
    /// The last character of a text may hold bits that are not used.
    const BASE64: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, UNUSED_BITS);

    /// A cursor of a sort key. `None` if no sort key looks like this.
    pub fn new(key: &str) -> Option<Self> {
        let (time, id) = key.split_once('#')?;
        let is_time = time.len() == Self::DIGITS && time.bytes().all(|byte| byte.is_ascii_digit());
        let is_id = (1..=Self::ID_BYTES).contains(&id.len());
        (is_time && is_id).then(|| Self(key.to_owned()))
    }

    /// The cursor that goes on after a call.
    pub fn of(call: &CallRow) -> Option<Self> {
        Self::new(&key::moment_and_session(call.at, &SessionId::parse(&call.sid)?))
    }

    /// The cursor that goes on after the figures of an hour or a day.
    pub fn of_period(period: &Period) -> Option<Self> {
        let begin = days::begin_of(&period.day)?.milliseconds();
        let begin = begin + u64::from(period.hour.unwrap_or(0)) * days::HOUR_MILLISECONDS;
        Self::new(&format!("{begin:013}#{}", key::service(&period.provider, &period.service)))
    }

    /// The time in it.
    pub fn time(&self) -> Option<Moment> {
        Moment::from_milliseconds(self.0.get(..Self::DIGITS)?.parse().ok()?)
    }

    /// Reads a cursor as [`opaque`](Self::opaque) wrote it.
    pub fn parse(text: &str) -> Option<Self> {
        let (time, id) = text.split_at_checked(Self::DIGITS)?;
        // Bytes that are no text become longer. What no sort key has is cut.
        let id = String::from_utf8_lossy(&Self::BASE64.decode(id).ok()?).into_owned();
        let end = id.floor_char_boundary(Self::ID_BYTES);
        Self::new(&format!("{time}#{}", id.get(..end)?))
    }

    /// The cursor as readers get it.
    pub fn opaque(&self) -> String {
        let (time, id) = self.0.split_once('#').unwrap_or_default();
        format!("{time}{}", Self::BASE64.encode(id))
    }

    /// The sort key.
    pub fn key(&self) -> &str {
        &self.0
    }
}

/// A session can be a secret of the people in it.
impl std::fmt::Debug for Cursor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Cursor(..)")
    }
}

/// Rows, and where the next page begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows<T> {
    pub rows: Vec<T>,
    pub next: Option<Cursor>,
}

/// Bytes of rows in one answer. Lambda takes 6 MB, the headers included.
const ANSWER_BYTES: usize = 5 << 20;

/// As many rows as fit into one answer. `cursor` goes on after a row, and `bytes` says how much one takes.
pub fn fitting<T>(
    all: impl Iterator<Item = T>,
    cursor: impl Fn(&T) -> Option<Cursor>,
    bytes: impl Fn(&T) -> usize,
) -> Rows<T> {
    let (mut rows, mut left) = (Vec::<T>::new(), ANSWER_BYTES);
    for row in all {
        let size = bytes(&row);
        if let Some(last) = rows.last().filter(|_| size > left) {
            return Rows { next: cursor(last), rows };
        }
        left = left.saturating_sub(size);
        rows.push(row);
    }
    Rows { rows, next: None }
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
///
/// A page is one query for each partition. A filter can leave it short, or even empty: as long as there is a
/// `next`, there may be more.
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

    /// Callbacks of a call in the vendor's order of time, as they were kept. A cursor here is the sort
    /// key of an event without `event#`.
    fn events(
        &self,
        session: &SessionId,
        page: &Page,
        now: Arrival,
    ) -> impl Future<Output = Result<Rows<Map<String, Value>>, Failure>>;

    /// Figures of every day or hour that the span touches, oldest first. What has no calls is left out.
    /// A day is summed from its hours until it is over and has been rolled up.
    fn figures(
        &self,
        span: Span,
        by: By,
        now: Arrival,
    ) -> impl Future<Output = Result<Vec<(Period, Figures)>, Failure>>;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_has_not_the_form_of_a_cursor_is_none() {
        for text in [
            "",
            "x",
            "1795000005000",
            "179500000500YQ",
            "x795000005000YQ",
            "1795000005000Y",
            "1795000005000Y==",
        ] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_was(time in "[0-9]{13}", id in "\\PC{1,190}") {
            let cursor = Cursor::new(&format!("{time}#{id}")).unwrap();
            prop_assert_eq!(Cursor::parse(&cursor.opaque()), Some(cursor));
        }

        #[test]
        fn every_text_of_its_form_is_a_cursor_and_fits_into_a_key(
            text in "[0-9]{13}([A-Za-z0-9_-]{4}){0,255}[A-Za-z0-9_-]{2,4}",
        ) {
            let cursor = Cursor::parse(&text).unwrap();
            // DynamoDB takes sort keys of 1,024 bytes; the longest prefix has 6.
            prop_assert!(cursor.key().len() <= 1_018);
        }
    }
}
