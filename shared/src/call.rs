//! What is known of one call, and how more knowledge joins it.
//!
//! Callbacks come late, twice and in any order, and several functions write at once. So [`CallFacts`] is built to make order irrelevant: every
//! field has a rule for joining two values that does not ask which came first (the newest in the vendor's time, the earliest, the union, "once
//! over, always over"). [`CallFacts::join`] is therefore commutative, associative and idempotent, and [`CallFacts::view`] is a plain function of
//! the facts. The property tests below hold it to that.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bounds;
use crate::model::{Kind, Media, Moment, Outcome, Person, Personal, ReleaseCode, Releaser, Room, Status};

/// Text that a call item can hold: no longer than [`bounds::TEXT_BYTES`], and without control characters, which become six times as long when facts are stored.
pub fn keepable(text: &str) -> Option<&str> {
    (text.len() <= bounds::TEXT_BYTES && !text.chars().any(char::is_control)).then_some(text)
}

/// How good a statement's source is. A better source beats a newer one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Source {
    /// Concluded from what happened.
    #[default]
    #[serde(rename = "i")]
    Inferred,
    /// Said by one side's event.
    #[serde(rename = "s")]
    OneSide,
    /// Stated in a field made for it.
    #[serde(rename = "f")]
    Stated,
}

/// A value with the weight of its statement. Of two, the better source wins, then the newer, then the greater value, never the later to arrive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Claim<T> {
    #[serde(rename = "s", default)]
    source: Source,
    #[serde(rename = "t", default)]
    at: Option<Moment>,
    #[serde(rename = "v")]
    value: T,
}

impl<T> Claim<T> {
    /// A statement made at a moment of the vendor's time.
    pub fn new(source: Source, at: Option<Moment>, value: T) -> Self {
        Self { source, at, value }
    }
}

/// One person's part in a call of which the vendor tells each participant's story.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Called by somebody else.
    #[serde(rename = "c", default)]
    pub callee: bool,
    /// Newest sign of being in the call.
    #[serde(rename = "i", default)]
    pub came: Option<Moment>,
    /// Newest sign of being out of it.
    #[serde(rename = "o", default)]
    pub left: Option<Moment>,
}

/// The end of a call, for those who count calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallEnd {
    /// How it went.
    pub outcome: Outcome,
    /// Seconds of talk, [`bounds::COUNTED_TALK_SECONDS`] at most.
    pub talk_seconds: u64,
}

/// What is known of a call. Every field joins by the rule in its comment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallFacts {
    /// Best claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Claim<Kind>>,
    /// Best claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<Claim<Media>>,
    /// Best claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<Claim<Person>>,
    /// Best claim; of a vendor that names one callee.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callee: Option<Claim<Person>>,
    /// The service that `people` belong to. Best claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Claim<String>>,
    /// By user id; of a vendor that tells each participant's story. Union, the newest sign of each, at most [`bounds::PEOPLE`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub people: BTreeMap<String, Part>,
    /// Best claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<Claim<Room>>,
    /// Best claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Claim<Person>>,
    /// Best claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online: Option<Claim<u64>>,
    /// Best source, then the earliest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup: Option<Claim<Reverse<Moment>>>,
    /// Best source, then the earliest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Claim<Reverse<Moment>>>,
    /// Best source, then the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Claim<Moment>>,
    /// Seconds, where the vendor counts them. Best claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Claim<u64>>,
    /// Best claim; talk time overrules it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Claim<Outcome>>,
    /// Best claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released_by: Option<Claim<Releaser>>,
    /// Best claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_data: Option<Claim<Personal>>,
    /// Each family of release codes by its own name. Best claim.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reason: BTreeMap<String, Claim<ReleaseCode>>,
    /// How far the call came before any end. The greater.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached: Option<Status>,
    /// Somebody answered. Once true, always true.
    #[serde(skip_serializing_if = "is_false")]
    pub talked: bool,
    /// The vendor said that the whole call is over. Once true, always true.
    #[serde(skip_serializing_if = "is_false")]
    pub over: bool,
    /// A server's attempt to call did not reach the callee. Once true, always true.
    #[serde(skip_serializing_if = "is_false")]
    pub attempt_failed: bool,
    /// The caller's side told of an end. The latest; a time of `None` is older than any other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller_end: Option<Claim<()>>,
    /// A callee's side told of an end. The latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callee_end: Option<Claim<()>>,
    /// Something else than an end happened. The latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity: Option<Claim<()>>,
    /// The newest event. The latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_event: Option<Moment>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl CallFacts {
    /// Both sets of facts as one. The order of the two, and how often either was joined before, make no difference.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        for (user, part) in other.people {
            let known = self.people.entry(user).or_default();
            known.callee |= part.callee;
            known.came = known.came.max(part.came);
            known.left = known.left.max(part.left);
        }
        // Those who stay are the same whichever half is cut first: the smallest ids.
        while self.people.len() > bounds::PEOPLE {
            self.people.pop_last();
        }
        for (family, code) in other.reason {
            let better = self.reason.remove(&family).map_or_else(|| code.clone(), |known| known.max(code.clone()));
            self.reason.insert(family, better);
        }
        Self {
            // `None` is less than any claim, and claims are ordered by weight, so that "the best" is the maximum.
            kind: self.kind.max(other.kind),
            media: self.media.max(other.media),
            caller: self.caller.max(other.caller),
            callee: self.callee.max(other.callee),
            service: self.service.max(other.service),
            people: self.people,
            room: self.room.max(other.room),
            host: self.host.max(other.host),
            online: self.online.max(other.online),
            setup: self.setup.max(other.setup),
            started: self.started.max(other.started),
            ended: self.ended.max(other.ended),
            duration: self.duration.max(other.duration),
            outcome: self.outcome.max(other.outcome),
            released_by: self.released_by.max(other.released_by),
            app_data: self.app_data.max(other.app_data),
            reason: self.reason,
            reached: self.reached.max(other.reached),
            talked: self.talked || other.talked,
            over: self.over || other.over,
            attempt_failed: self.attempt_failed || other.attempt_failed,
            caller_end: self.caller_end.max(other.caller_end),
            callee_end: self.callee_end.max(other.callee_end),
            activity: self.activity.max(other.activity),
            last_event: self.last_event.max(other.last_event),
        }
    }

    /// The call as a reader of the record sees it.
    pub fn view(&self) -> CallView<'_> {
        let status = self.status();
        let ended = status == Status::Ended;
        let talked = self.talked || self.started.is_some() || value(&self.duration).is_some_and(|seconds| *seconds > 0);
        let started_at = value(&self.started).map(|Reverse(moment)| *moment);
        let ended_at = value(&self.ended).copied().filter(|_| ended);
        let counted = started_at
            .zip(ended_at)
            .and_then(|(from, to)| to.milliseconds().checked_sub(from.milliseconds()))
            .map(|milliseconds| milliseconds / 1_000);
        let callees = self.callees();
        CallView {
            kind: self.kind(),
            status,
            outcome: ended.then(|| {
                if talked { Outcome::Answered } else { value(&self.outcome).copied().unwrap_or(Outcome::Unknown) }
            }),
            media: value(&self.media).copied(),
            caller: value(&self.caller),
            callees,
            room: value(&self.room),
            host: value(&self.host),
            online: value(&self.online).copied(),
            setup_at: value(&self.setup).map(|Reverse(moment)| *moment),
            started_at,
            ended_at,
            duration_s: value(&self.duration)
                .copied()
                .or_else(|| ended.then(|| counted.unwrap_or(0)))
                .filter(|_| ended),
            released_by: value(&self.released_by).copied().filter(|_| ended),
            app_data: value(&self.app_data),
            reason: self.reason.iter().map(|(family, code)| (family.as_str(), &code.value)).collect(),
            last_event_at: self.last_event,
        }
    }

    /// The end that these facts tell of and the earlier ones did not. What later facts say of an end that was told is not told again.
    pub fn end_since(&self, earlier: &Self) -> Option<CallEnd> {
        let call = self.view();
        let outcome = call.outcome.filter(|_| earlier.status() != Status::Ended)?;
        let talk_seconds = call.duration_s.unwrap_or(0).min(bounds::COUNTED_TALK_SECONDS);
        Some(CallEnd { outcome, talk_seconds: if outcome == Outcome::Answered { talk_seconds } else { 0 } })
    }

    fn kind(&self) -> Kind {
        let several = self.callees().len() > 1;
        value(&self.kind).copied().unwrap_or(if several { Kind::Group } else { Kind::OneToOne })
    }

    /// An end of one side ends a one-to-one call. A group's caller is in it until told otherwise, so that a group is over once its caller has
    /// left, and left last or left nobody behind.
    fn status(&self) -> Status {
        let over = match self.kind() {
            _ if self.over || self.attempt_failed => true,
            Kind::OneToOne => self.caller_end.is_some() || self.callee_end.is_some(),
            Kind::Group => {
                let caller_left_last = self.caller_end >= self.activity;
                let nobody_is_in = self.people.values().all(|part| part.came.is_none() || part.left >= part.came);
                self.caller_end.is_some() && (caller_left_last || nobody_is_in)
            }
        };
        if over { Status::Ended } else { self.reached.unwrap_or(Status::Ringing) }
    }

    /// The caller's user id.
    pub fn caller_user(&self) -> Option<&str> {
        value(&self.caller)?.user_id.as_ref().map(Personal::reveal)
    }

    fn callees(&self) -> Vec<Person> {
        let service = value(&self.service).map(String::as_str);
        let caller = self.caller_user();
        let told = self.people.iter().filter(|(user, part)| part.callee && Some(user.as_str()) != caller);
        let named = value(&self.callee).cloned();
        named.into_iter().chain(told.filter_map(|(user, _)| Person::known(service, Some(user)))).collect()
    }
}

fn value<T>(claim: &Option<Claim<T>>) -> Option<&T> {
    claim.as_ref().map(|claim| &claim.value)
}

/// A call as the record shows it. Times of `None` did not happen as far as the vendor said.
#[derive(Debug, PartialEq, Eq)]
pub struct CallView<'a> {
    /// One-to-one or group.
    pub kind: Kind,
    /// Where it stands.
    pub status: Status,
    /// How it went; only of an ended call.
    pub outcome: Option<Outcome>,
    /// Audio or video, when known.
    pub media: Option<Media>,
    /// Who called.
    pub caller: Option<&'a Person>,
    /// Who was called.
    pub callees: Vec<Person>,
    /// Where a group meets.
    pub room: Option<&'a Room>,
    /// Who hosts the group.
    pub host: Option<&'a Person>,
    /// How many are connected.
    pub online: Option<u64>,
    /// When the caller called.
    pub setup_at: Option<Moment>,
    /// When the talk began.
    pub started_at: Option<Moment>,
    /// When it ended.
    pub ended_at: Option<Moment>,
    /// Seconds of talk; only of an ended call.
    pub duration_s: Option<u64>,
    /// Who ended it.
    pub released_by: Option<Releaser>,
    /// The app's own data.
    pub app_data: Option<&'a Personal>,
    /// Every release code by its family.
    pub reason: BTreeMap<&'a str, &'a ReleaseCode>,
    /// The newest event.
    pub last_event_at: Option<Moment>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moment(seconds: u64) -> Option<Moment> {
        Moment::from_seconds_or_milliseconds(seconds)
    }

    fn claim<T: std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Option<Claim<T>>> {
        let source = prop_oneof![Just(Source::Inferred), Just(Source::OneSide), Just(Source::Stated)];
        proptest::option::of(
            (source, 0_u64..4, value).prop_map(|(source, at, value)| Claim::new(source, moment(at), value)),
        )
    }

    fn person() -> impl Strategy<Value = Person> {
        "[ab]".prop_map(|user| Person::known(Some("s"), Some(&user)).unwrap())
    }

    prop_compose! {
        fn part()(callee: bool, came in 0_u64..4, left in 0_u64..4) -> Part {
            Part { callee, came: moment(came), left: moment(left) }
        }
    }

    prop_compose! {
        fn times()(
            setup in claim((1_u64..9).prop_map(|at| Reverse(moment(at).unwrap()))),
            started in claim((1_u64..9).prop_map(|at| Reverse(moment(at).unwrap()))),
            ended in claim((1_u64..9).prop_map(|at| moment(at).unwrap())),
            duration in claim(0_u64..3),
            online in claim(0_u64..3),
            caller_end in claim(Just(())),
            callee_end in claim(Just(())),
            activity in claim(Just(())),
            last_event in 0_u64..4,
        ) -> CallFacts {
            CallFacts {
                setup, started, ended, duration, online, caller_end, callee_end, activity, last_event: moment(last_event),
                ..CallFacts::default()
            }
        }
    }

    prop_compose! {
        fn facts()(
            times in times(),
            kind in claim(prop_oneof![Just(Kind::OneToOne), Just(Kind::Group)]),
            media in claim(prop_oneof![Just(Media::Audio), Just(Media::Video)]),
            caller in claim(person()),
            people in proptest::collection::btree_map("[abcd]", part(), 0..4),
            outcome in claim(prop_oneof![Just(Outcome::Missed), Just(Outcome::Busy)]),
            code in claim((0_i64..3).prop_map(ReleaseCode::Number)),
            reached in proptest::option::of(prop_oneof![Just(Status::Ringing), Just(Status::Ongoing)]),
            talked: bool,
            over: bool,
        ) -> CallFacts {
            let reason = code.into_iter().map(|code| ("terminate".to_owned(), code)).collect();
            CallFacts { kind, media, caller, people, outcome, reason, reached, talked, over, ..times }
        }
    }

    proptest! {
        #[test]
        fn the_order_of_two_makes_no_difference(a in facts(), b in facts()) {
            prop_assert_eq!(a.clone().join(b.clone()), b.join(a));
        }

        #[test]
        fn the_grouping_of_three_makes_no_difference(a in facts(), b in facts(), c in facts()) {
            prop_assert_eq!(a.clone().join(b.clone()).join(c.clone()), a.join(b.join(c)));
        }

        #[test]
        fn a_repeat_makes_no_difference(a in facts(), b in facts()) {
            let both = a.clone().join(b.clone());
            prop_assert_eq!(both.clone().join(a), both.clone());
            prop_assert_eq!(both.clone().join(b), both);
        }

        #[test]
        fn facts_survive_being_stored(a in facts()) {
            let stored = serde_json::to_string(&a).unwrap();
            prop_assert_eq!(serde_json::from_str::<CallFacts>(&stored).unwrap(), a);
        }

        #[test]
        fn an_ended_call_that_is_over_never_comes_back(a in facts(), b in facts()) {
            let ended = CallFacts { over: true, ..a };
            prop_assert_eq!(ended.join(b).view().status, Status::Ended);
        }

        #[test]
        fn a_call_is_answered_only_with_talk(a in facts()) {
            let talk = a.talked || a.started.is_some() || a.duration.as_ref().is_some_and(|claim| claim.value > 0);
            let view = a.view();
            prop_assert_eq!(view.outcome == Some(Outcome::Answered), talk && view.status == Status::Ended);
        }
    }

    proptest! {
        #[test]
        fn an_end_is_told_by_the_facts_that_bring_it_and_not_again(a in facts(), b in facts()) {
            let both = a.clone().join(b);
            let told = both.end_since(&a);
            let brought = both.view().outcome.filter(|_| a.view().status != Status::Ended);
            prop_assert_eq!(told.map(|end| end.outcome), brought);
            prop_assert_eq!(both.end_since(&both), None);
        }
    }

    #[test]
    fn only_talk_counts_and_no_more_than_a_week_of_it() {
        let ended = |talked, seconds| {
            let duration = Some(Claim::new(Source::Stated, None, seconds));
            CallFacts { over: true, talked, duration, ..CallFacts::default() }.end_since(&CallFacts::default()).unwrap()
        };
        assert_eq!(ended(true, 30), CallEnd { outcome: Outcome::Answered, talk_seconds: 30 });
        assert_eq!(ended(false, 0), CallEnd { outcome: Outcome::Unknown, talk_seconds: 0 });
        assert_eq!(ended(true, u64::MAX).talk_seconds, bounds::COUNTED_TALK_SECONDS);
    }

    #[test]
    fn text_is_kept_up_to_the_bound_and_without_control_characters() {
        let text = |bytes| "x".repeat(bytes);
        assert!(keepable(&text(bounds::TEXT_BYTES)).is_some());
        assert_eq!(keepable(&text(bounds::TEXT_BYTES + 1)), None);
        assert_eq!(keepable("a\u{1}"), None);
    }

    #[test]
    fn a_crowd_is_cut_to_the_same_people_whatever_the_order() {
        let crowd = |range: std::ops::Range<usize>| CallFacts {
            people: range.map(|number| (format!("{number:04}"), Part { callee: true, ..Part::default() })).collect(),
            ..CallFacts::default()
        };
        let (a, b, c) = (crowd(0..200), crowd(150..400), crowd(390..600));
        let forwards = a.clone().join(b.clone()).join(c.clone());
        assert_eq!(forwards, c.join(b).join(a));
        assert_eq!(forwards.people.len(), bounds::PEOPLE);
    }
}
