//! The keys of the views table and of the figures table.
//!
//! Both have `pk` and `sk`, as text. `%` and `#` in an id are percent-encoded, so that two ids
//! never share a key.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::call::model::{Moment, SessionId};

/// What separates the parts of a key, and what encodes it.
const SEPARATORS: &AsciiSet = &CONTROLS.add(b'#').add(b'%');

/// The sort key of the item that says when a user last looked.
pub const SEEN: &str = "seen";

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

/// The partition of a room's sessions.
pub fn room(provider: &str, service: &str, room: &str) -> String {
    format!("room#{}#{}#{}", part(provider), part(service), part(room))
}

/// The sort key of a call in a day or a room: its time in 13 digits, and its session.
pub fn moment_and_session(at: Moment, session: &SessionId) -> String {
    format!("{:013}#{}", at.milliseconds(), part(session.as_str()))
}

/// Which of so many parts holds a session.
pub fn shard(session: &SessionId, shards: u32) -> u32 {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(session.as_str());
    let number = digest.iter().take(4).fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    number % shards.max(1)
}
