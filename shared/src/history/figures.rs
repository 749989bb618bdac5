//! What is counted of calls. Figures name no person.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counters of an hour or a day of one service. A change adds `of(new) - of(old)`, so they are signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    pub calls: i64,
    pub talk_s: i64,
    /// By [`crate::call::model::Outcome::as_str`]; a call that has not ended is `open`.
    pub outcomes: BTreeMap<String, i64>,
    /// By `<family>:<code>`, as `disconnect_reason:1203`.
    pub reasons: BTreeMap<String, i64>,
}

/// Whose figures, and of when.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    pub provider: String,
    pub service: String,
    /// In UTC, as `yyyy-mm-dd`.
    pub day: String,
    /// Of the day, 0 to 23; `None` for the whole day.
    pub hour: Option<u8>,
}
