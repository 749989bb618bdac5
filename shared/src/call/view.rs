//! The call as a reader sees it: what participants and vendor reported, weighed.
//!
//! Most callbacks come from one participant, with its own clock. What the vendor states in a field
//! made for it beats what is inferred. The caller's report of the whole call beats a callee's. A
//! refusal does not end the call for those who talk. Unknown stays unknown.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::claim::{Claim, First, Source};
use super::facts::{CALL_RESULT, CallFacts, End, Leaving, Part};
use crate::call::model::{
    Kind, Media, Moment, Outcome, Person, Personal, ReleaseCode, Releaser, Room, Status,
};
use crate::text::bounds;

/// A call as the record shows it, under the attributes' own names. What is unknown is `None`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct CallView<'a> {
    pub kind: Kind,
    /// The call's state.
    pub status: Status,
    /// How it went; only of an ended call.
    pub outcome: Option<Outcome>,
    /// Audio or video.
    #[serde(serialize_with = "or_unknown")]
    pub media: Option<Media>,
    pub caller: Option<Person>,
    /// Who was called, in a one-to-one call.
    pub callee: Option<Person>,
    /// Who was called, in a group.
    pub callees: Option<Vec<Person>>,
    /// Where a group meets.
    pub room: Option<&'a Room>,
    /// Who hosts the group.
    pub host: Option<&'a Person>,
    /// How many are connected.
    pub online: Option<u64>,
    pub setup_at: Option<Moment>,
    /// When the talk began.
    pub started_at: Option<Moment>,
    /// When it ended.
    pub ended_at: Option<Moment>,
    /// Seconds of talk; only of an ended call.
    pub duration_s: Option<u64>,
    /// Who ended it; only of an ended call.
    pub released_by: Option<Releaser>,
    pub app_data: Option<&'a Personal>,
    /// Every release code by its family; only of an ended call.
    pub reason: Option<BTreeMap<&'a str, &'a ReleaseCode>>,
    pub last_event_at: Option<Moment>,
}

/// Always present, because readers rely on it: `unknown` if it is not known.
#[expect(clippy::ref_option, reason = "serde hands a reference")]
fn or_unknown<S: serde::Serializer>(media: &Option<Media>, serializer: S) -> Result<S::Ok, S::Error> {
    match media {
        Some(media) => media.serialize(serializer),
        None => serializer.serialize_str("unknown"),
    }
}

/// The end of a call, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallEnd {
    /// How it went.
    pub outcome: Outcome,
    /// Seconds of talk, [`bounds::COUNTED_TALK_SECONDS`] at most.
    pub talk_seconds: u64,
}

impl CallFacts {
    /// The call as a reader of the record sees it.
    pub fn view(&self) -> CallView<'_> {
        let kind = self.kind();
        let status = self.status();
        let ended = status == Status::Ended;
        let talked = self.talked();
        let outcome = if talked {
            Outcome::Answered
        } else {
            value(&self.outcome).copied().unwrap_or(Outcome::Unknown)
        };
        let (started_at, ended_at) = self.talk_times();
        let duration_s = value(&self.duration).copied().or_else(|| match outcome {
            Outcome::Answered => seconds_between(started_at?, ended_at?),
            Outcome::Unknown => None,
            _ => Some(0),
        });
        let mut callees = self.callees();
        let callee = if kind == Kind::OneToOne && callees.len() == 1 { callees.pop() } else { None };
        CallView {
            kind,
            status,
            outcome: ended.then_some(outcome),
            media: value(&self.media).copied(),
            caller: self.caller(),
            callee,
            callees: (!callees.is_empty()).then_some(callees),
            room: value(&self.room),
            host: value(&self.host),
            online: self.online(),
            setup_at: value(&self.setup).map(|Reverse(moment)| *moment),
            started_at,
            ended_at,
            duration_s: duration_s.filter(|_| ended),
            released_by: self.released_by().filter(|_| ended),
            app_data: value(&self.app_data),
            reason: Some(self.reason()).filter(|reason| ended && !reason.is_empty()),
            last_event_at: self.last_event,
        }
    }

    /// The call's end, if these facts report one and the earlier facts did not. An end is reported
    /// once, whatever later facts add to it.
    pub fn end_since(&self, earlier: &Self) -> Option<CallEnd> {
        let call = self.view();
        let outcome = call.outcome.filter(|_| earlier.status() != Status::Ended)?;
        let talk_seconds = call.duration_s.unwrap_or(0).min(bounds::COUNTED_TALK_SECONDS);
        Some(CallEnd { outcome, talk_seconds: if outcome == Outcome::Answered { talk_seconds } else { 0 } })
    }

    fn kind(&self) -> Kind {
        let by_size = || if self.callees().len() > 1 { Kind::Group } else { Kind::OneToOne };
        value(&self.kind).copied().unwrap_or_else(by_size)
    }

    fn status(&self) -> Status {
        if self.over || self.attempt_failed || self.is_ended_by_its_people() {
            return Status::Ended;
        }
        let reached = self.reached.unwrap_or(Status::Ringing);
        if self.talked() { reached.max(Status::Ongoing) } else { reached }
    }

    /// Whether the participants' reports end the whole call.
    ///
    /// When one side leaves, a one-to-one call ends. A refusal ends it only while it is unanswered,
    /// because a second device that stops ringing refuses too. A group ends once its caller has
    /// left and no one else is in it.
    fn is_ended_by_its_people(&self) -> bool {
        let reported = |end| self.reported(end).is_some();
        match self.kind() {
            Kind::OneToOne => {
                let left = reported(End::CallerLeft) || reported(End::CalleeLeft);
                let refused = reported(End::CallerRefused) || reported(End::CalleeRefused);
                left || (refused && !self.talked())
            }
            Kind::Group => {
                let people = || self.people.0.values();
                if self.talked() {
                    return reported(End::CallerLeft) && !people().any(Part::is_in);
                }
                // The caller learns of each callee who declines; the others may still answer.
                let timed_out = value(&self.outcome) == Some(&Outcome::Missed);
                reported(End::CallerLeft)
                    || (reported(End::CallerRefused) && (timed_out || !people().any(Part::is_ringing)))
            }
        }
    }

    /// Whether the call was answered. A time or duration stated by the vendor decides. Otherwise an
    /// answer that one participant reported counts, unless the vendor or the caller says that there
    /// was none.
    pub(super) fn talked(&self) -> bool {
        let stated = self.started.as_ref().is_some_and(|claim| claim.source == Source::Stated)
            || value(&self.duration).is_some_and(|seconds| *seconds > 0);
        let reported = self.talked || self.started.is_some();
        stated || (reported && !self.never_accepted && !self.answer_is_denied())
    }

    /// Whether the vendor's or the caller's result says that the call was not answered.
    fn answer_is_denied(&self) -> bool {
        let Some(Claim { source, value: outcome, .. }) = &self.outcome else { return false };
        let unanswered =
            matches!(outcome, Outcome::Canceled | Outcome::Rejected | Outcome::Missed | Outcome::Busy);
        // In a group the caller's `rejected`, `missed` and `busy` are about one callee.
        let about_the_call = self.kind() == Kind::OneToOne || *outcome == Outcome::Canceled;
        match source {
            Source::Stated => unanswered,
            Source::OneSide => unanswered && about_the_call && !self.caller_saw_answer,
            Source::Inferred => false,
        }
    }

    /// When the talk began and when the call ended. They never contradict each other: if clocks
    /// disagree, the value from the weaker source is left out.
    fn talk_times(&self) -> (Option<Moment>, Option<Moment>) {
        let started = self.started.as_ref().filter(|_| self.talked());
        let ended = if self.status() == Status::Ended { self.end(started) } else { None };
        match (started, ended) {
            (Some(Claim { source, value: Reverse(start), .. }), Some((end_source, end))) if *start > end => {
                if *source > end_source {
                    (Some(*start), None)
                } else {
                    (None, Some(end))
                }
            }
            (started, ended) => (started.map(|claim| claim.value.0), ended.map(|(_, end)| end)),
        }
    }

    /// When the call ended: as the vendor states for the whole call, else when its people left.
    fn end(&self, started: Option<&Claim<Reverse<Moment>>>) -> Option<(Source, Moment)> {
        if let Some(claim) = &self.ended {
            return Some((claim.source, claim.value));
        }
        let reported = |end| self.reported(end).flatten();
        let people = || self.people.0.values();
        let end = match (self.kind(), started.is_some() || self.talked()) {
            // The first end counts; the other side may report its own much later. An end before the
            // start comes from a wrong clock.
            (Kind::OneToOne, talked) => {
                let begun = started.or(self.setup.as_ref()).map(|claim| claim.value.0);
                let refusals = [End::CallerRefused, End::CalleeRefused].into_iter().filter(|_| !talked);
                let ends =
                    [End::CallerLeft, End::CalleeLeft].into_iter().chain(refusals).filter_map(reported);
                let (after, before): (Vec<_>, Vec<_>) = ends.partition(|end| Some(*end) >= begun);
                after.into_iter().min().or(before.into_iter().max())
            }
            (Kind::Group, true) => people().filter_map(|part| part.left).max().or(reported(End::CallerLeft)),
            (Kind::Group, false) => reported(End::CallerLeft)
                .or(people().filter_map(|part| part.left.max(part.refused_at)).max())
                .or(reported(End::CallerRefused)),
        };
        end.map(|moment| (Source::Inferred, moment))
    }

    /// After the end 0 are online, whatever figure came last.
    fn online(&self) -> Option<u64> {
        let joined = self.online.as_ref().map(|claim| (claim.at, claim.value));
        let left = self.online_left.as_ref().map(|claim| (claim.at, claim.value.0));
        let newest = match (joined, left) {
            (Some(joined), Some(left)) => Some(if left.0 >= joined.0 { left.1 } else { joined.1 }),
            (joined, left) => joined.or(left).map(|(_, online)| online),
        };
        if self.status() == Status::Ended { newest.map(|_| 0) } else { newest }
    }

    /// Who ended the call. If the vendor does not say: who hung up, or whose refusal or cancel
    /// prevented an answer.
    fn released_by(&self) -> Option<Releaser> {
        if self.released_by.is_some() || !self.release_is_shown_by_results {
            return value(&self.released_by).copied();
        }
        let one_to_one = self.kind() == Kind::OneToOne;
        if self.talked() {
            let leaving = |part: &Part| {
                let way = part.leaving.filter(|way| matches!(way, Leaving::HungUp | Leaving::Dropped))?;
                Some((Reverse(way), part.left))
            };
            let leavers =
                self.people.0.iter().filter_map(|(user, part)| Some((leaving(part)?, user.as_str())));
            let (_, user) = leavers.min()?;
            return match (one_to_one, self.caller()) {
                (false, _) => Some(Releaser::Participant),
                (true, Some(caller)) if is_same_user(&caller, self.person(user).as_ref()) => {
                    Some(Releaser::Caller)
                }
                (true, Some(_)) => Some(Releaser::Callee),
                (true, None) => None,
            };
        }
        match value(&self.outcome)? {
            Outcome::Canceled => Some(Releaser::Caller),
            // A group has many callees; one who declines does not end it for the others.
            Outcome::Rejected | Outcome::Busy if one_to_one => Some(Releaser::Callee),
            _ => None,
        }
    }

    /// Every release code of the whole call. A refusal's code says nothing about a call that was
    /// answered.
    fn reason(&self) -> BTreeMap<&str, &ReleaseCode> {
        let refused = self.refusal.iter().filter(|_| !self.talked()).map(|claim| (CALL_RESULT, claim));
        let mut best: BTreeMap<&str, &Claim<ReleaseCode>> = refused.collect();
        for (family, claim) in &self.reason {
            let better = best.get(family.as_str()).is_none_or(|refusal| *refusal < claim);
            if better {
                best.insert(family, claim);
            }
        }
        best.into_iter().map(|(family, claim)| (family, &claim.value)).collect()
    }

    /// Who called: as the vendor states, else as a participant reports, else inferred.
    pub(super) fn caller(&self) -> Option<Person> {
        let named = self.caller.as_ref().map(|First(claim)| claim);
        let is_stated = named.is_some_and(|claim| claim.source == Source::Stated);
        let claimed = self.claimed_caller().filter(|_| !is_stated).and_then(|user| self.person(user));
        claimed.or_else(|| named.map(|claim| claim.value.clone()))
    }

    /// Of those who report that they called, one who was not called; else the first to report it.
    fn claimed_caller(&self) -> Option<&str> {
        let claims = self.people.0.iter().filter(|(_, part)| part.caller);
        let (user, _) = claims.min_by_key(|(user, part)| (part.callee, Reverse(part.called), *user))?;
        Some(user)
    }

    pub(super) fn person(&self, user: &str) -> Option<Person> {
        Person::new(value(&self.service).map(String::as_str), Some(user))
    }

    fn callees(&self) -> Vec<Person> {
        let caller = self.caller();
        let called = self.people.0.iter().filter(|(_, part)| part.callee || part.caller);
        let called = called
            .filter_map(|(user, _)| self.person(user))
            .filter(|person| !is_same_user(person, caller.as_ref()));
        value(&self.callee).cloned().into_iter().chain(called).collect()
    }
}

fn is_same_user(person: &Person, other: Option<&Person>) -> bool {
    other.is_some_and(|other| other.user_id == person.user_id)
}

fn value<T>(claim: &Option<Claim<T>>) -> Option<&T> {
    claim.as_ref().map(|claim| &claim.value)
}

fn seconds_between(from: Moment, to: Moment) -> Option<u64> {
    to.milliseconds().checked_sub(from.milliseconds()).map(|milliseconds| milliseconds / 1_000)
}
