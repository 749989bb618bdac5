//! Claims, and how two of them join, independent of which came first.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::call::model::{Moment, Person, Personal};

/// Joins two values. Order and repeats make no difference.
pub(super) trait Join {
    #[must_use]
    fn join(self, other: Self) -> Self;
}

/// The greater value. Claims are ordered by weight, and `None` is less than any value, so this is
/// the best claim.
impl<T: Ord> Join for Option<T> {
    fn join(self, other: Self) -> Self {
        self.max(other)
    }
}

/// Once true, always true.
impl Join for bool {
    fn join(self, other: Self) -> Self {
        self || other
    }
}

/// The union; values under the same key join.
impl<K: Ord, V: Join> Join for BTreeMap<K, V> {
    fn join(mut self, other: Self) -> Self {
        for (key, value) in other {
            let joined = match self.remove(&key) {
                Some(known) => known.join(value),
                None => value,
            };
            self.insert(key, joined);
        }
        self
    }
}

impl<T: Ord> Join for Claim<T> {
    fn join(self, other: Self) -> Self {
        self.max(other)
    }
}

/// How good a source is. A better source beats a newer value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Source {
    /// Inferred from an event, or reported by a participant who sees only a part of the call.
    #[default]
    #[serde(rename = "i")]
    Inferred,
    /// Reported by the side that sees the whole call.
    #[serde(rename = "s")]
    OneSide,
    /// Stated by the vendor in a field made for it.
    #[serde(rename = "f")]
    Stated,
}

/// A value with its source and time. The better source wins, then the newer, then the greater
/// value. The order of arrival does not count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Claim<T> {
    #[serde(rename = "s", default)]
    pub(super) source: Source,
    #[serde(rename = "t", default)]
    pub(super) at: Option<Moment>,
    #[serde(rename = "v")]
    pub(super) value: T,
}

impl<T> Claim<T> {
    /// A value stated at a moment of the vendor's time.
    pub fn new(source: Source, at: Option<Moment>, value: T) -> Self {
        Self { source, at, value }
    }
}

/// A claim to something that cannot change, as who called: the better source wins, then the earliest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct First<T>(pub Claim<T>);

impl First<Person> {
    /// The claimed person's user id.
    pub fn user(&self) -> Option<&str> {
        self.0.value.user_id.as_ref().map(Personal::reveal)
    }
}

impl<T: Ord> Ord for First<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        let weight = |claim: &Claim<T>| (claim.source, claim.at.map(Reverse));
        weight(&self.0).cmp(&weight(&other.0)).then_with(|| self.0.value.cmp(&other.0.value))
    }
}

impl<T: Ord> PartialOrd for First<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
