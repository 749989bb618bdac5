//! Calls of any length, told in callbacks as the vendors send them: whole calls of the cases, with sessions,
//! people and times of their own.
//!
//! A story opens and then repeats one round of steps, so that its last tenth has the same steps at every
//! length. Stories begin that round at different steps. Many short ones end in as even a mix as one long one.
// Every position is of a callback or an opening that is there.
#![allow(clippy::indexing_slicing)]

use anyhow::Result;
use serde_json::{Value, json};

use crate::cases::{Callback, Cases};

/// The time of the cases. It ends in no zero, because DynamoDB does not store zeros at a number's end.
const BEGINNING_MS: u64 = 1_794_211_621_237;

/// A call and its callbacks in the vendor's order.
#[derive(Debug)]
pub struct Story {
    pub sid: String,
    pub callbacks: Vec<String>,
    /// The callback after all others, which ends the call.
    pub end: String,
}

/// The kinds of calls that stories are told of.
pub struct Stories {
    answered: Value,
    pub room: Group,
    pub group_call: Group,
}

/// A kind of call that people join and leave.
pub struct Group {
    pub function: &'static str,
    /// Who are in it at one time or another.
    pub people: usize,
    /// A whole call of the cases.
    callbacks: Vec<Callback>,
    at_first: Place,
    openings: &'static [&'static [Step]],
    /// As many come as go.
    round: &'static [Step],
    end: Step,
    event: fn(&Value, &Moment<'_>) -> String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Away,
    Ringing,
    Talking,
}

/// Some people change their place, and a callback reports it.
#[derive(Clone, Copy)]
struct Step {
    /// The position in the whole call of the callback that reports this.
    callback: usize,
    /// Tencent's word for it.
    action: &'static str,
    people: usize,
    from: Place,
    to: Place,
}

/// What a callback reports.
struct Moment<'a> {
    sid: &'a str,
    time_ms: u64,
    action: &'static str,
    changed: Vec<String>,
    talking: Vec<String>,
    ringing: Vec<String>,
    is_video: bool,
}

const fn step(callback: usize, action: &'static str, people: usize, from: Place, to: Place) -> Step {
    Step { callback, action, people, from, to }
}

const JOINS: Step = step(1, "", 1, Place::Away, Place::Talking);
const CHANGES_MEDIA: Step = step(3, "", 0, Place::Talking, Place::Talking);
const LEAVES: Step = step(4, "", 1, Place::Talking, Place::Away);
const TIMES_OUT: Step = Step { callback: 5, ..LEAVES };

const STARTS: Step = step(0, "", 0, Place::Ringing, Place::Ringing);
const ACCEPTS: Step = step(1, "Accept", 1, Place::Ringing, Place::Talking);
const DOES_NOT_ANSWER: Step = step(1, "NotAnswer", 1, Place::Ringing, Place::Away);
const TWO_DO_NOT_ANSWER: Step = Step { people: 2, ..DOES_NOT_ANSWER };
const THREE_DO_NOT_ANSWER: Step = Step { people: 3, ..DOES_NOT_ANSWER };
const HANGS_UP: Step = step(1, "Hang Up", 1, Place::Talking, Place::Away);
const IS_INVITED: Step = step(1, "Invited", 1, Place::Away, Place::Ringing);

impl Stories {
    pub fn read(cases: &Cases) -> Result<Self> {
        let [room, group_call] = ["group-call-event", "tencent-call-event"];
        Ok(Self {
            answered: cases.event("call-event", "answered-call")?,
            room: Group {
                function: room,
                // LINE's group calls took 200 at once (LINE Engineering, "LINE Group Call").
                people: 200,
                callbacks: cases.call(room, "stand-up")?,
                at_first: Place::Away,
                openings: &[&[Step { callback: 0, ..JOINS }, JOINS, JOINS]],
                round: &[
                    JOINS,
                    JOINS,
                    CHANGES_MEDIA,
                    LEAVES,
                    JOINS,
                    CHANGES_MEDIA,
                    CHANGES_MEDIA,
                    LEAVES,
                    CHANGES_MEDIA,
                    TIMES_OUT,
                ],
                end: step(6, "", usize::MAX, Place::Talking, Place::Away),
                event: of_line,
            },
            group_call: Group {
                function: group_call,
                // As many as TUICallKit takes (Tencent, "Group call").
                people: 9,
                callbacks: cases.call(group_call, "current-group")?,
                at_first: Place::Ringing,
                // Each as long as the others, and to where the round begins after it.
                openings: &[
                    &[STARTS, ACCEPTS, ACCEPTS, ACCEPTS, ACCEPTS, TWO_DO_NOT_ANSWER, TWO_DO_NOT_ANSWER],
                    &[STARTS, ACCEPTS, ACCEPTS, ACCEPTS, ACCEPTS, TWO_DO_NOT_ANSWER, DOES_NOT_ANSWER],
                    &[STARTS, ACCEPTS, ACCEPTS, ACCEPTS, ACCEPTS, ACCEPTS, THREE_DO_NOT_ANSWER],
                ],
                round: &[IS_INVITED, ACCEPTS, HANGS_UP],
                end: Step { callback: 7, ..STARTS },
                event: of_tencent,
            },
        })
    }

    /// A LINE one-to-one call of a user, a second after the call before.
    pub fn one_to_one_of(&self, person: &str, number: usize) -> Story {
        let Story { sid, callbacks, end } = self.one_to_one(number);
        let event = serde_json::from_str(&end).unwrap_or_default();
        let second = (BEGINNING_MS / 1_000 + number as u64).to_string();
        let times = ["setup_time", "start_time", "end_time"].map(|name| (name, second.as_str()));
        let values = [&[("from_user_id", person)], &times[..]].concat();
        Story { sid, callbacks, end: with_parameters(&event, &values) }
    }

    /// A LINE one-to-one call, which is one callback.
    pub fn one_to_one(&self, number: usize) -> Story {
        let sid = format!("{number:08x}-0000-4000-8000-0000c0ffee00");
        let end = with_parameters(&self.answered, &[("sid", &sid), ("from_user_id", &user(number % 50_000))]);
        Story { sid, callbacks: Vec::new(), end }
    }
}

impl Group {
    /// A call of so many events before its end, one a second.
    pub fn story(&self, number: usize, events: usize) -> Story {
        // Other kinds of calls have other numbers of people, and so other sessions.
        let sid = format!("{number:08x}{events:08x}{:04x}c0ffee000000", self.people);
        // Who has been in a place longest comes first.
        let mut people: Vec<(String, Place)> = (0..self.people).map(|it| (user(it), self.at_first)).collect();
        // The caller does not ring.
        if let Some((_, place)) = people.first_mut().filter(|(_, place)| *place == Place::Ringing) {
            *place = Place::Talking;
        }
        let mut is_video = false;
        let opening = self.openings[number % self.openings.len()].iter();
        let steps = opening.chain(self.round.iter().cycle().skip(number % self.round.len()));
        let event = |(second, step): (u64, &Step)| {
            is_video ^= step.callback == CHANGES_MEDIA.callback;
            let mut changed = Vec::new();
            while changed.len() < step.people
                && let Some(first) = people.iter().position(|(_, place)| *place == step.from)
            {
                let (user, _) = people.remove(first);
                changed.push(user.clone());
                people.push((user, step.to));
            }
            let all = |place| people.iter().filter(move |(_, at)| *at == place).map(|(user, _)| user.clone());
            let moment = Moment {
                sid: &sid,
                time_ms: BEGINNING_MS + 1_000 * second,
                action: step.action,
                changed,
                talking: all(Place::Talking).collect(),
                ringing: all(Place::Ringing).collect(),
                is_video,
            };
            (self.event)(&self.callbacks[step.callback].event, &moment)
        };
        let steps = steps.take(events).chain([&self.end]);
        let mut callbacks: Vec<String> = (0..).zip(steps).map(event).collect();
        let end = callbacks.pop().unwrap_or_default();
        Story { sid, callbacks, end }
    }
}

fn of_line(callback: &Value, now: &Moment<'_>) -> String {
    let ended_at = if now.talking.is_empty() { now.time_ms / 1_000 } else { 0 };
    let who = now.changed.last().or(now.talking.last()).map_or("", String::as_str);
    let values = [
        ("sid", now.sid),
        ("user_id", who),
        ("host_id", &user(0)),
        ("online", &now.talking.len().to_string()),
        ("media_type", if now.is_video { "V" } else { "A" }),
        ("end_time", &ended_at.to_string()),
        ("ts", &now.time_ms.to_string()),
    ];
    with_parameters(callback, &values)
}

fn of_tencent(callback: &Value, now: &Moment<'_>) -> String {
    let listed = |status| move |user| json!({ "User_Account": user, "Status": status });
    let users: Value =
        now.talking.iter().map(listed("Calling")).chain(now.ringing.iter().map(listed("Waiting"))).collect();
    let changed = now.changed.iter().map(|user| json!({ "User_Account": user, "ActionType": now.action }));
    let values = [
        ("/CallId", json!(now.sid)),
        ("/CallInfo/CallId", json!(now.sid)),
        ("/CallRecord/CallId", json!(now.sid)),
        ("/UserList", users),
        ("/ChangedUserList", changed.collect()),
        ("/CallRecord/Caller_Account", json!(user(0))),
        ("/CallRecord/CalleeList_Account", (1..9).map(user).collect()),
        ("/CallRecord/EndTime", json!(now.time_ms / 1_000)),
        ("/EventTime", json!(now.time_ms)),
    ];
    let mut body = serde_json::from_str(callback["body"].as_str().unwrap_or_default()).unwrap_or_default();
    values.into_iter().for_each(|(path, value)| put(&mut body, path, value));
    let mut event = callback.clone();
    put(&mut event, "/body", json!(body.to_string()));
    event.to_string()
}

/// The same event of a room at another time.
pub fn at(event: &str, time_ms: u128) -> String {
    with_parameters(&serde_json::from_str(event).unwrap_or_default(), &[("ts", &time_ms.to_string())])
}

/// The same event with other values of its query's parameters.
fn with_parameters(event: &Value, values: &[(&str, &str)]) -> String {
    let other = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default();
        let value = values.iter().find(|(known, _)| *known == name);
        value.map_or_else(|| pair.to_owned(), |(_, value)| format!("{name}={value}"))
    };
    let query = event["rawQueryString"].as_str().unwrap_or_default().split('&');
    let query: Vec<String> = query.map(other).collect();
    let mut event = event.clone();
    put(&mut event, "/rawQueryString", json!(query.join("&")));
    event.to_string()
}

/// Puts a value in the place of one, if there is one.
fn put(object: &mut Value, path: &str, value: Value) {
    if let Some(place) = object.pointer_mut(path) {
        *place = value;
    }
}

fn user(number: usize) -> String {
    format!("user-{number:05}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::Path;

    use super::*;

    fn stories() -> Stories {
        Stories::read(&Cases::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))).unwrap()
    }

    fn parameter(event: &str, name: &str) -> String {
        let event: Value = serde_json::from_str(event).unwrap();
        let query = event["rawQueryString"].as_str().unwrap();
        let value = form_urlencoded::parse(query.as_bytes()).find(|(known, _)| known == name);
        value.unwrap_or_else(|| panic!("no {name} in {query}")).1.into_owned()
    }

    #[test]
    fn rooms_of_ten_events_end_in_every_step_of_the_round() {
        let last = |number| parameter(stories().room.story(number, 10).callbacks.last().unwrap(), "msc");
        let mut lasts: Vec<String> = (0..10).map(last).collect();
        lasts.sort();
        assert_eq!(lasts.concat(), "CCCDDMMMMT");
    }

    #[test]
    fn a_room_has_its_people_and_is_empty_only_at_its_end() {
        let story = stories().room.story(3, 1_000);
        assert_eq!(story.callbacks.iter().collect::<HashSet<_>>().len(), 1_000);
        let people: HashSet<String> =
            story.callbacks.iter().map(|event| parameter(event, "user_id")).collect();
        assert_eq!(people.len(), stories().room.people);
        assert!(story.callbacks.iter().all(|event| parameter(event, "online") != "0"));
        assert_eq!([parameter(&story.end, "online"), parameter(&story.end, "sid")], ["0", &story.sid]);
    }

    #[test]
    fn group_calls_of_any_length_end_in_every_step_of_the_round() {
        let last = |number, events| {
            let story = stories().group_call.story(number, events);
            let event: Value = serde_json::from_str(story.callbacks.last().unwrap()).unwrap();
            let body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
            let people = body["UserList"].as_array().unwrap().len();
            (body["ChangedUserList"][0]["ActionType"].as_str().unwrap().to_owned(), people)
        };
        let expected = [("Hang Up".to_owned(), 5), ("Invited".to_owned(), 6), ("Accept".to_owned(), 6)];
        for events in [10, 1_000] {
            assert_eq!([last(0, events), last(1, events), last(2, events)], expected);
        }
    }
}
