//! Claims, and how two of them join, independent of which came first.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::call::facts::Leaving;
use crate::call::model::{
    Kind, Media, Moment, Outcome, Person, Personal, ReleaseCode, Releaser, Room, Status,
};

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

/// Changes every moment that is in it.
pub(super) trait Moments {
    fn each(&mut self, change: &impl Fn(&mut Moment));
}

impl Moments for Moment {
    fn each(&mut self, change: &impl Fn(&mut Moment)) {
        change(self);
    }
}

impl<T: Moments> Moments for Reverse<T> {
    fn each(&mut self, change: &impl Fn(&mut Moment)) {
        self.0.each(change);
    }
}

impl<T: Moments> Moments for Option<T> {
    fn each(&mut self, change: &impl Fn(&mut Moment)) {
        self.iter_mut().for_each(|value| value.each(change));
    }
}

impl<K, V: Moments> Moments for BTreeMap<K, V> {
    fn each(&mut self, change: &impl Fn(&mut Moment)) {
        self.values_mut().for_each(|value| value.each(change));
    }
}

impl<T: Moments> Moments for Claim<T> {
    fn each(&mut self, change: &impl Fn(&mut Moment)) {
        self.at.each(change);
        self.value.each(change);
    }
}

impl<T: Moments> Moments for First<T> {
    fn each(&mut self, change: &impl Fn(&mut Moment)) {
        self.0.each(change);
    }
}

/// Values in which there is no moment.
macro_rules! timeless {
    ($($type:ty),*) => {
        $(impl Moments for $type {
            fn each(&mut self, _: &impl Fn(&mut Moment)) {}
        })*
    };
}

timeless!(
    (),
    bool,
    u64,
    String,
    Kind,
    Leaving,
    Media,
    Outcome,
    Person,
    Personal,
    ReleaseCode,
    Releaser,
    Room,
    Status
);

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
///
/// It is stored as a list of value, time and source. What is as in most claims is left out at the
/// list's end: [`Source::Stated`], and the time of the call's last event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim<T> {
    pub(super) source: Source,
    pub(super) at: Option<Moment>,
    pub(super) value: T,
}

impl<T: Serialize> Serialize for Claim<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stated = self.source == Source::Stated;
        let mut list = serializer.serialize_seq(None)?;
        list.serialize_element(&self.value)?;
        if !stated || self.at != Some(Moment::OF_LAST_EVENT) {
            list.serialize_element(&self.at)?;
        }
        if !stated {
            list.serialize_element(&self.source)?;
        }
        list.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Claim<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StoredClaim(PhantomData))
    }
}

struct StoredClaim<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for StoredClaim<T> {
    type Value = Claim<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a claim")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Claim<T>, A::Error> {
        let value = list.next_element()?.ok_or_else(|| Error::invalid_length(0, &self))?;
        let at = list.next_element()?.unwrap_or(Some(Moment::OF_LAST_EVENT));
        let source = list.next_element()?.unwrap_or(Source::Stated);
        Ok(Claim { source, at, value })
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Claim<T>, A::Error> {
        let EarlierClaim { source, at, value } =
            Deserialize::deserialize(MapAccessDeserializer::new(members))?;
        Ok(Claim { source, at, value })
    }
}

/// A claim as an earlier version stored it.
#[derive(Deserialize)]
struct EarlierClaim<T> {
    #[serde(rename = "s", default)]
    source: Source,
    #[serde(rename = "t", default)]
    at: Option<Moment>,
    #[serde(rename = "v")]
    value: T,
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
