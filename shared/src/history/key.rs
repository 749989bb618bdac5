//! The keys of the views table and of the figures table.
//!
//! Both have `pk` and `sk`, as text. `%` and `#` in an id are percent-encoded, so that two ids
//! never share a key.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::call::model::{Moment, SessionId};

/// What separates the parts of a key, and what encodes it.
const SEPARATORS: &AsciiSet = &CONTROLS.add(b'#').add(b'%');

/// The sort key of the item that says when a user last looked.
pub const SEEN: &str = "seen";

/// Stands for the service of a call whose vendor names none.
pub const UNKNOWN_SERVICE: &str = "-";

/// One vendor's user. The service id is LINE's service id or Tencent's SDKAppID.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserKey {
    pub provider: String,
    pub service: String,
    pub user: String,
}

impl std::fmt::Debug for UserKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("UserKey(..)")
    }
}

fn part(text: &str) -> String {
    utf8_percent_encode(text, SEPARATORS).to_string()
}

/// The partition of one user's calls.
pub fn user(user: &UserKey) -> String {
    format!("user#{}#{}#{}", part(&user.provider), part(&user.service), part(&user.user))
}

/// Vendor and service of the user whose partition this is.
pub fn service_of_user(partition: &str) -> Option<(String, String)> {
    let mut parts = partition.strip_prefix("user#")?.split('#');
    let mut next = || Some(percent_decode_str(parts.next()?).decode_utf8_lossy().into_owned());
    Some((next()?, next()?))
}

/// The sort key of a user's call.
pub fn users_call(at: Moment, session: &SessionId) -> String {
    format!("call#{}", moment_and_session(at, session))
}

/// The partition of a part of the live calls.
pub fn live(shard: u32) -> String {
    format!("live#{shard}")
}

/// The sort key of a live call.
pub fn live_call(provider: &str, session: &SessionId) -> String {
    format!("{}#{}", part(provider), part(session.as_str()))
}

/// The partition of a part of one day's calls. The day is in UTC, as `yyyy-mm-dd`.
pub fn day(day: &str, shard: u32) -> String {
    format!("day#{day}#{shard}")
}

/// Whether a partition is of a day's calls.
pub fn is_day(partition: &str) -> bool {
    partition.starts_with("day#")
}

/// The partition of a room's sessions.
pub fn room(provider: &str, service: &str, room: &str) -> String {
    format!("room#{}#{}#{}", part(provider), part(service), part(room))
}

/// The sort key of a call in a day or a room: its time in 13 digits, and its session.
pub fn moment_and_session(at: Moment, session: &SessionId) -> String {
    format!("{:013}#{}", at.milliseconds(), part(session.as_str()))
}

/// The partition of a part of a service's hours. The day is in UTC, as `yyyy-mm-dd`.
pub fn hours(provider: &str, service: &str, day: &str, part: u32) -> String {
    format!("{}#{day}#{part}", self::service(provider, service))
}

/// The sort key of an hour's counters. There are some for each shard of the stream, because sequence
/// numbers only grow within one.
pub fn hour(hour: u8, stream_shard: &str) -> String {
    format!("h#{hour:02}#{}", part(stream_shard))
}

/// The partition of a service's days of a year, and the sort key of a day.
pub fn day_of_year(provider: &str, service: &str, day: &str) -> (String, String) {
    let (year, rest) = day.split_once('-').unwrap_or((day, ""));
    (format!("{}#{year}", self::service(provider, service)), format!("d#{rest}"))
}

/// The partition that lists the services that have figures.
pub const SERVICES: &str = "services";

/// The sort key of a service there.
pub fn service(provider: &str, service: &str) -> String {
    format!("{}#{}", part(provider), part(service))
}

/// Which of so many parts holds a session.
pub fn shard(session: &SessionId, shards: u32) -> u32 {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(session.as_str());
    let number = digest.iter().take(4).fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    number % shards.max(1)
}
