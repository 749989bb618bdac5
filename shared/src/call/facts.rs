//! What is known of a call. Each fact is stated once, with its type; the type is its rule for joining.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::claim::{Claim, First, Join, Moments};
use crate::call::model::{
    Kind, Media, Moment, Outcome, Person, Personal, ReleaseCode, Releaser, Room, Status,
};
use crate::text::bounds;

/// Declares a struct of facts. Each field is declared once, is stored only if it has a value, and
/// joins by its type's rule.
macro_rules! facts {
    ($(#[$doc:meta])* pub struct $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* }) => {
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        $(#[$doc])*
        pub struct $name {
            $($(#[$attribute])* #[serde(skip_serializing_if = "says_nothing")] pub $field: $type,)*
        }

        impl Join for $name {
            fn join(self, other: Self) -> Self {
                Self { $($field: self.$field.join(other.$field),)* }
            }
        }

        impl Moments for $name {
            fn each(&mut self, change: &impl Fn(&mut Moment)) {
                $(self.$field.each(change);)*
            }
        }
    };
}

fn says_nothing<T: Default + PartialEq>(fact: &T) -> bool {
    *fact == T::default()
}

/// The name under which release codes hold Tencent's results.
pub const CALL_RESULT: &str = "call_result";

/// How a participant left a call, or did not come into it. Who was in the call outranks who was not,
/// because one of a person's devices may decline while another one answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Leaving {
    /// Did not answer.
    #[serde(rename = "m")]
    Missed,
    /// Was in another call.
    #[serde(rename = "b")]
    Busy,
    /// Declined.
    #[serde(rename = "x")]
    Declined,
    /// Lost the connection.
    #[serde(rename = "d")]
    Dropped,
    /// Ended it.
    #[serde(rename = "h")]
    HungUp,
}

impl Leaving {
    /// How a callee who did not come in leaves, by the result that their device reports.
    pub fn of(outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Rejected => Some(Self::Declined),
            Outcome::Busy => Some(Self::Busy),
            Outcome::Missed => Some(Self::Missed),
            _ => None,
        }
    }
}

facts! {
    /// One person's part in a call. Only Tencent reports each participant's.
    pub struct Part {
        /// Was called by another participant.
        #[serde(rename = "c")]
        callee: bool,
        /// Reports that they called.
        #[serde(rename = "k")]
        caller: bool,
        /// When they first reported that.
        #[serde(rename = "f")]
        called: Option<Reverse<Moment>>,
        /// Newest time of a sign of being in the call.
        #[serde(rename = "i")]
        came: Option<Moment>,
        /// Newest time of a sign of having left.
        #[serde(rename = "o")]
        left: Option<Moment>,
        /// How this person left or why they did not come, if the vendor says so.
        #[serde(rename = "l")]
        leaving: Option<Leaving>,
        /// A device of this person stopped ringing without an answer.
        #[serde(rename = "r")]
        refused: bool,
        /// When that was last reported.
        #[serde(rename = "n")]
        refused_at: Option<Moment>,
    }
}

impl Part {
    /// Came and has not left. At an equal time leaving wins.
    pub(super) fn is_in(&self) -> bool {
        self.left < self.came
    }

    /// Was called and has neither come nor refused.
    pub(super) fn is_ringing(&self) -> bool {
        self.callee && self.came.is_none() && self.left.is_none() && !self.refused
    }
}

/// A side's report that a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum End {
    /// The caller left or gave up.
    #[serde(rename = "cl")]
    CallerLeft,
    /// A callee left.
    #[serde(rename = "dl")]
    CalleeLeft,
    /// The caller learned that a callee does not answer.
    #[serde(rename = "cr")]
    CallerRefused,
    /// A callee's device stopped ringing without an answer.
    #[serde(rename = "dr")]
    CalleeRefused,
}

/// The people of a call by user id, at most [`bounds::PEOPLE`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct People(pub BTreeMap<String, Part>);

impl Join for People {
    fn join(self, other: Self) -> Self {
        let mut people = self.0.join(other.0);
        // Keeps the smallest ids, so the result does not depend on which half is cut first.
        while people.len() > bounds::PEOPLE {
            people.pop_last();
        }
        Self(people)
    }
}

impl Moments for People {
    fn each(&mut self, change: &impl Fn(&mut Moment)) {
        self.0.each(change);
    }
}

facts! {
    /// What is known of a call. A claim joins to the best one; its type says how a fact joins.
    ///
    /// Facts are stored under short names, because they are half of a call's item. What names people
    /// keeps its whole name: to erase a user is to find them here too. The aliases are the names that an
    /// earlier version gave them.
    #[serde(remote = "Self")]
    pub struct CallFacts {
        #[serde(rename = "k", alias = "kind")]
        kind: Option<Claim<Kind>>,
        /// Audio or video.
        #[serde(rename = "m", alias = "media")]
        media: Option<Claim<Media>>,
        /// Who called, where the vendor names the caller.
        caller: Option<First<Person>>,
        /// Who was called, where the vendor names one callee.
        callee: Option<Claim<Person>>,
        /// The service that `people` belong to.
        service: Option<Claim<String>>,
        /// Each participant's part.
        people: People,
        /// Where a group meets.
        room: Option<Claim<Room>>,
        /// Who hosts the group.
        host: Option<Claim<Person>>,
        /// How many are connected.
        #[serde(rename = "on", alias = "online")]
        online: Option<Claim<u64>>,
        /// The same, from events of those who left. Of two events in one millisecond the leave
        /// counts as later, and the smallest figure as the last.
        #[serde(rename = "ol", alias = "online_left")]
        online_left: Option<Claim<Reverse<u64>>>,
        /// When the caller called: the earliest.
        #[serde(rename = "su", alias = "setup")]
        setup: Option<Claim<Reverse<Moment>>>,
        /// When the talk began: the earliest.
        #[serde(rename = "st", alias = "started")]
        started: Option<Claim<Reverse<Moment>>>,
        /// The vendor states that the call was never accepted.
        #[serde(rename = "na", alias = "never_accepted")]
        never_accepted: bool,
        /// When the whole call ended, from a source that knows the whole call: the latest.
        #[serde(rename = "en", alias = "ended")]
        ended: Option<Claim<Moment>>,
        /// Seconds of talk, where the vendor counts them.
        #[serde(rename = "du", alias = "duration")]
        duration: Option<Claim<u64>>,
        /// How the call went. Talk overrules it.
        #[serde(rename = "oc", alias = "outcome")]
        outcome: Option<Claim<Outcome>>,
        /// Who ended the call, where the vendor states it.
        #[serde(rename = "rb", alias = "released_by")]
        released_by: Option<Claim<Releaser>>,
        /// The vendor never states who ended a call, but its results and the participants' actions
        /// show it.
        #[serde(rename = "rr", alias = "release_is_shown_by_results")]
        release_is_shown_by_results: bool,
        app_data: Option<Claim<Personal>>,
        /// Each family of release codes under its own name.
        #[serde(rename = "rc", alias = "reason")]
        reason: BTreeMap<String, Claim<ReleaseCode>>,
        /// The result that came with a refusal.
        #[serde(rename = "rf", alias = "refusal")]
        refusal: Option<Claim<ReleaseCode>>,
        /// How far the call came before any end.
        #[serde(rename = "re", alias = "reached")]
        reached: Option<Status>,
        /// A callee or participant answered.
        #[serde(rename = "ta", alias = "talked")]
        talked: bool,
        /// The caller knows of an answer.
        #[serde(rename = "ca", alias = "caller_saw_answer")]
        caller_saw_answer: bool,
        /// The vendor said that the whole call is over.
        #[serde(rename = "ov", alias = "over")]
        over: bool,
        /// A server's attempt to call did not reach the callee.
        #[serde(rename = "af", alias = "attempt_failed")]
        attempt_failed: bool,
        /// Each side's reports of an end, with the time of the first.
        #[serde(rename = "es", alias = "ends")]
        ends: BTreeMap<End, Option<Reverse<Moment>>>,
        /// The caller's end as version 0.1 stored it, without telling a leave from a refusal. It is
        /// read and never made.
        caller_end: Option<Claim<()>>,
        /// Likewise a callee's end.
        callee_end: Option<Claim<()>>,
        last_event: Option<Moment>,
    }
}

/// Facts by their names. [`CallFacts`] itself is stored as a list: the time of the last event, and all
/// else with times that are counted back from it.
///
/// An earlier version refuses to read a list. Short names in an object would be unknown to it, and it would
/// overwrite what it does not see.
#[derive(Serialize, Deserialize)]
struct ByName(#[serde(with = "CallFacts")] CallFacts);

impl Serialize for CallFacts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut others = self.clone();
        let last_event = others.last_event.take();
        (last_event, ByName(others.counted_back_from(last_event))).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CallFacts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StoredFacts)
    }
}

struct StoredFacts;

impl<'de> Visitor<'de> for StoredFacts {
    type Value = CallFacts;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("what is known of a call")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<CallFacts, A::Error> {
        let (last_event, ByName(others)) = Deserialize::deserialize(SeqAccessDeserializer::new(list))?;
        Ok(CallFacts { last_event, ..others.counted_back_from(last_event) })
    }

    /// As an earlier version stored them: an object, and every time in full.
    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<CallFacts, A::Error> {
        CallFacts::deserialize(MapAccessDeserializer::new(members))
    }
}

impl CallFacts {
    fn counted_back_from(mut self, last_event: Option<Moment>) -> Self {
        if let Some(last_event) = last_event {
            self.each(&|moment| *moment = moment.before(last_event));
        }
        self
    }

    /// Whether an end was reported, and when first.
    pub(super) fn reported(&self, end: End) -> Option<Option<Moment>> {
        let earlier_version = match end {
            End::CallerLeft => &self.caller_end,
            End::CalleeLeft => &self.callee_end,
            End::CallerRefused | End::CalleeRefused => &None,
        };
        let first = self.ends.get(&end).map(|at| at.map(|Reverse(moment)| moment));
        first.or_else(|| earlier_version.as_ref().map(|claim| claim.at))
    }

    /// Both sets of facts as one.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Join::join(self, other)
    }
}
