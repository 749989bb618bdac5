//! What other systems are told of a call: messages on the topic `Calls`, as CloudEvents 1.0.
//!
//! A message's id is made only of the call and of what changed, so the same change told twice has the
//! same id.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::call::model::{Kind, Moment, Outcome, Person, Personal, Room};
use crate::call::{Participant, Role};
use crate::history::call::StoredCall;
use crate::history::group_event::GroupEvent;
use crate::history::read::days;
use crate::history::rows::{is_missed, list_row};
use crate::text::message::{deliverable, is_attribute_value};

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    CallStarted,
    CallAnswered,
    CallEnded,
    CallMissed,
    RoomStarted,
    RoomEnded,
    ParticipantJoined,
    ParticipantLeft,
}

impl What {
    /// The type in the message.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CallStarted => "ringback.call.started",
            Self::CallAnswered => "ringback.call.answered",
            Self::CallEnded => "ringback.call.ended",
            Self::CallMissed => "ringback.call.missed",
            Self::RoomStarted => "ringback.room.started",
            Self::RoomEnded => "ringback.room.ended",
            Self::ParticipantJoined => "ringback.participant.joined",
            Self::ParticipantLeft => "ringback.participant.left",
        }
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
    pub id: String,
    pub what: What,
    pub body: String,
    /// To filter by.
    pub attributes: Vec<(&'static str, String)>,
}

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'static str,
    r#type: &'static str,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    datacontenttype: &'static str,
    data: Data<'a>,
}

#[derive(Default, Serialize)]
struct Data<'a> {
    provider: &'a str,
    service: &'a str,
    sid: &'a str,
    kind: Option<Kind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Moment>,
    /// Who missed the call, came or left.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Person>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a Room>,
    /// The call, as a list shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<Value>,
}

/// What a change of a call's item tells. A call that is over when it is first heard of is only told as
/// ended. Nothing is told of a call that was deleted.
pub fn of_call(old: Option<&StoredCall>, new: &StoredCall) -> Vec<News> {
    let is_new = old.is_none();
    let begins = |what: What| (is_new && !new.has_ended()).then_some((what, None, new.at()));
    // A lost callback may have told the answer, and the end tells it too.
    let was_open = old.is_some_and(|old| !old.has_ended() && !old.was_answered());
    let answers = if new.has_ended() { was_open } else { !old.is_some_and(StoredCall::was_answered) };
    let answers = answers && new.was_answered();
    // A late callback may take an end back, or tell whose call it was and how it ended.
    let is_told =
        |old: &StoredCall| old.has_ended() && old.outcome == new.outcome && old.service() == new.service();
    let ends = new.has_ended() && !old.is_some_and(is_told);
    let mut changes: Vec<(What, Option<Person>, Option<Moment>)> = Vec::new();
    if new.kind == Kind::Group {
        changes.extend(begins(What::RoomStarted));
    }
    if !new.is_line_group() {
        changes.extend(begins(What::CallStarted));
        changes.extend(answers.then_some((What::CallAnswered, None, new.started_at)));
        changes.extend(ends.then_some((What::CallEnded, None, new.ended_at)));
        changes.extend(missed(old, new).into_iter().map(|user| (What::CallMissed, Some(user), new.ended_at)));
        changes.extend(came_and_left(old, new));
    }
    if new.kind == Kind::Group && ends {
        changes.push((What::RoomEnded, None, new.ended_at));
    }
    let shown = serde_json::to_value(list_row(new)).ok();
    changes.into_iter().map(|(what, user, at)| told(new, what, user, at, shown.clone())).collect()
}

/// Users who missed the call by the new item and did not by the old one.
fn missed(old: Option<&StoredCall>, new: &StoredCall) -> Vec<Person> {
    let missed_by = |call: &StoredCall| -> Vec<Person> {
        let is_missed = |who: &Participant| is_missed(call, who);
        call.participants().into_iter().filter(is_missed).map(|participant| participant.person).collect()
    };
    let before = old.map(missed_by).unwrap_or_default();
    missed_by(new).into_iter().filter(|person| !before.contains(person)).collect()
}

/// Of a group: who came or left at another time than was known.
fn came_and_left(old: Option<&StoredCall>, new: &StoredCall) -> Vec<(What, Option<Person>, Option<Moment>)> {
    if new.kind != Kind::Group {
        return Vec::new();
    }
    let before = old.map(StoredCall::participants).unwrap_or_default();
    let mut changes = Vec::new();
    for now in new.participants() {
        let known = before.iter().find(|known| known.person == now.person);
        // Each answer of a callee is a sign of the caller, too.
        if now.role == Role::Caller && now.left.is_none() && known.is_some_and(|known| known.came.is_some()) {
            continue;
        }
        let moments = [
            (What::ParticipantJoined, now.came, known.and_then(|known| known.came)),
            (What::ParticipantLeft, now.left, known.and_then(|known| known.left)),
        ];
        for (what, at, earlier) in moments {
            if at.is_some() && at != earlier {
                changes.push((what, Some(now.person.clone()), at));
            }
        }
    }
    changes
}

fn told(
    call: &StoredCall,
    what: What,
    user: Option<Person>,
    at: Option<Moment>,
    shown: Option<Value>,
) -> News {
    let data = Data {
        provider: &call.provider,
        service: call.service(),
        sid: &call.sid,
        kind: Some(call.kind),
        at,
        user,
        room: call.room.as_ref(),
        call: shown,
    };
    news(what, data, call.outcome)
}

/// What an event of a LINE group tells.
pub fn of_group_event(event: &GroupEvent) -> Vec<News> {
    let person = Person::new(Some(&event.user.service), Some(&event.user.user));
    let changes = [(event.came, What::ParticipantJoined), (event.left, What::ParticipantLeft)];
    let told = changes.into_iter().filter(|(happened, _)| *happened).map(|(_, what)| {
        let data = Data {
            provider: &event.provider,
            service: &event.user.service,
            sid: &event.sid,
            kind: Some(Kind::Group),
            at: Some(event.at),
            user: person.clone(),
            room: event.room.as_ref(),
            call: None,
        };
        news(what, data, None)
    });
    told.collect()
}

fn news(what: What, data: Data<'_>, outcome: Option<Outcome>) -> News {
    let user = data.user.as_ref().and_then(|person| person.user_id.as_ref());
    let is_end = matches!(what, What::CallEnded | What::CallMissed | What::RoomEnded);
    // A person comes and goes several times, and an end may be corrected. Every other change happens once.
    let recurs = is_end || matches!(what, What::ParticipantJoined | What::ParticipantLeft);
    let moment = data.at.filter(|_| recurs).map(|at| at.milliseconds().to_string());
    let outcome = outcome.filter(|_| is_end).map(Outcome::as_str);
    let id = identity(&[
        data.provider,
        data.sid,
        what.as_str(),
        user.map(Personal::reveal).unwrap_or_default(),
        moment.as_deref().unwrap_or_default(),
        outcome.unwrap_or_default(),
        if is_end { data.service } else { "" },
    ]);
    let mut attributes = vec![
        ("type", what.as_str().to_owned()),
        ("provider", data.provider.to_owned()),
        ("service", data.service.to_owned()),
    ];
    let word = |value: Value| value.as_str().map(str::to_owned);
    attributes
        .extend(data.kind.and_then(|kind| word(serde_json::to_value(kind).ok()?)).map(|kind| ("kind", kind)));
    attributes.extend(outcome.map(|outcome| ("outcome", outcome.to_owned())));
    attributes.retain(|(_, text)| is_attribute_value(text));
    let time = data.at.and_then(days::rfc3339);
    let event = CloudEvent {
        specversion: "1.0",
        id: &id,
        source: "ringback",
        r#type: what.as_str(),
        subject: data.sid,
        time,
        datacontenttype: "application/json",
        data,
    };
    let body = deliverable(&event);
    News { id, what, body, attributes }
}

/// 128 bits of SHA-256 over texts, each with its length.
fn identity(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
