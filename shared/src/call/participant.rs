//! Each person's part in a call, as far as the vendor tells it.

use super::facts::{CallFacts, Leaving, Part};
use crate::call::model::{Kind, Moment, Outcome, Person, Status};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Caller,
    Callee,
    /// Came into a group without being called, as far as is known.
    Joined,
}

/// One person's part in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    pub person: Person,
    pub role: Role,
    /// Newest time of a sign of being in the call; of the caller, from the call on.
    pub came: Option<Moment>,
    /// Newest time of a sign of having left.
    pub left: Option<Moment>,
    /// How the call went for this person. `None` while that is open.
    pub outcome: Option<Outcome>,
    /// Ended their part by themselves, as opposed to losing the connection.
    pub hung_up: bool,
}

impl CallFacts {
    /// The caller and everybody who was called. Only Tencent tells each callee's part. Of all others
    /// the call's outcome is their own.
    pub fn participants(&self) -> Vec<Participant> {
        let call = self.view();
        let named = |person: &Person| person.user_id.as_ref().map(|user| user.reveal().to_owned());
        let caller = call.caller.as_ref();
        let part = |person: &Person| named(person).and_then(|user| self.people.0.get(&user).cloned());
        let callees = call.callee.iter().chain(call.callees.iter().flatten());
        let others = callees.map(|person| (person, Role::Callee));
        let came = self.people.0.iter().filter(|(_, part)| part.came.is_some());
        let joined: Vec<Person> = came.filter_map(|(user, _)| self.person(user)).collect();
        let joined = joined.iter().map(|person| (person, Role::Joined));
        let people = caller.map(|person| (person, Role::Caller)).into_iter().chain(others).chain(joined);
        let mut participants: Vec<Participant> = Vec::new();
        let is_only_callee = call.callee.iter().chain(call.callees.iter().flatten()).count() == 1;
        for (person, role) in people {
            if participants.iter().any(|known| known.person.is_same_as(person)) {
                continue;
            }
            let part = part(person).unwrap_or_default();
            participants.push(Participant {
                person: person.clone(),
                role,
                came: part.came,
                left: part.left,
                outcome: self.outcome_of(&part, role, call.kind, call.status, call.outcome, is_only_callee),
                hung_up: part.leaving == Some(Leaving::HungUp),
            });
        }
        participants
    }

    /// How the call went for one person.
    ///
    /// A callee's own word counts first: they came, or they said why not. In a one-to-one call the
    /// call's outcome is theirs. A group's is not: one callee may answer while another does not.
    fn outcome_of(
        &self,
        part: &Part,
        role: Role,
        kind: Kind,
        status: Status,
        outcome: Option<Outcome>,
        is_only_callee: bool,
    ) -> Option<Outcome> {
        if role == Role::Caller || kind == Kind::OneToOne {
            let talks = status == Status::Ongoing && self.talked();
            return outcome.or_else(|| talks.then_some(Outcome::Answered));
        }
        let own = match part.leaving {
            _ if part.came.is_some() && self.talked() => Some(Outcome::Answered),
            Some(Leaving::HungUp | Leaving::Dropped) => Some(Outcome::Answered),
            Some(Leaving::Declined) => Some(Outcome::Rejected),
            Some(Leaving::Busy) => Some(Outcome::Busy),
            Some(Leaving::Missed) => Some(Outcome::Missed),
            // The older generation only says that they left.
            None if part.left.is_some() && self.talked() => Some(Outcome::Answered),
            None => None,
        };
        // It stopped ringing, and not by them.
        let canceled = part.refused.then_some(Outcome::Canceled);
        own.or(match outcome {
            // Others answered, declined or were busy, and this person did nothing.
            Some(Outcome::Answered | Outcome::Rejected | Outcome::Busy) if !is_only_callee => {
                canceled.or(Some(Outcome::Missed))
            }
            outcome => outcome.or(canceled),
        })
    }
}
