//! Calls of any length, told in callbacks as the vendors send them: cases with sessions, people and times of
//! their own.
//!
//! A story has a beginning and then one round of steps over and over, so that its last tenth is made of the
//! same steps at every length. Stories of one length begin that round at different steps: many short ones end
//! in as even a mix as one long one does.

use std::collections::VecDeque;

use anyhow::Result;
use serde_json::{Value, json};

use crate::cases::Cases;

/// People who come and go in one LINE room. LINE's group calls took 200 at once (LINE Engineering, "LINE
/// Group Call").
pub const PEOPLE_IN_A_ROOM: usize = 200;
/// Members of one Tencent group call: as many as TUICallKit takes (Tencent, "Group call").
pub const MEMBERS_OF_A_GROUP_CALL: usize = 9;
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

/// The cases that stories are made of.
#[derive(Debug)]
pub struct Stories {
    answered: Value,
    room: [Value; 6],
    group_call: [Value; 3],
}

/// What happens in a LINE room. As many come as go, so that a room never fills up.
#[derive(Clone, Copy)]
enum InRoom {
    Starts,
    Joins,
    ChangesMedia,
    Leaves,
    TimesOut,
    Ends,
}

const ROUND_OF_A_ROOM: [InRoom; 10] = {
    use InRoom::{ChangesMedia, Joins, Leaves, TimesOut};
    [Joins, Joins, ChangesMedia, Leaves, Joins, ChangesMedia, ChangesMedia, Leaves, ChangesMedia, TimesOut]
};

/// What happens in a Tencent group call.
#[derive(Clone, Copy)]
enum InGroupCall {
    IsInvited,
    Accepts,
    HangsUp,
    /// So many at once.
    DoNotAnswer(usize),
}

const ROUND_OF_A_GROUP_CALL: [InGroupCall; 3] =
    [InGroupCall::IsInvited, InGroupCall::Accepts, InGroupCall::HangsUp];

impl Stories {
    pub fn read(cases: &Cases) -> Result<Self> {
        let room = |name: &str| cases.event("group-call-event", &format!("standup-{name}"));
        let group_call = |name: &str| cases.event("tencent-call-event", &format!("current-group-{name}"));
        Ok(Self {
            answered: cases.event("call-event", "answered-call")?,
            room: [
                room("1-room-starts")?,
                room("2-second-participant-joins")?,
                room("4-media-changes-to-video")?,
                room("5-participant-leaves")?,
                room("6-participant-times-out")?,
                room("7-room-ends")?,
            ],
            group_call: [group_call("1-starts")?, group_call("2-bob-accepts")?, group_call("8-ends")?],
        })
    }

    /// A LINE one-to-one call, which is one callback.
    pub fn one_to_one(&self, number: usize) -> Story {
        let sid = format!("{number:08x}-0000-4000-8000-0000c0ffee00");
        let end = with_parameters(&self.answered, &[("sid", &sid), ("from_user_id", &user(number % 50_000))]);
        Story { sid, callbacks: Vec::new(), end }
    }

    /// A LINE room of so many events before its end, one a second. It is never empty before its end.
    pub fn room(&self, number: usize, events: usize) -> Story {
        let sid = format!("{number:08x}{events:08x}0000c0ffee000000");
        // Who has been in longest is first.
        let mut people = VecDeque::new();
        let (mut arrived, mut is_video) = (0, false);
        let round = ROUND_OF_A_ROOM.into_iter().cycle().skip(number % ROUND_OF_A_ROOM.len());
        let steps = [InRoom::Starts, InRoom::Joins, InRoom::Joins].into_iter().chain(round);
        let steps = steps.take(events).chain([InRoom::Ends]);
        let tell = |(second, step): (usize, InRoom)| {
            let who = match step {
                InRoom::Starts | InRoom::Joins => {
                    people.push_back(user(arrived % PEOPLE_IN_A_ROOM));
                    arrived += 1;
                    people.back().cloned()
                }
                InRoom::ChangesMedia => {
                    is_video = !is_video;
                    people.back().cloned()
                }
                InRoom::Leaves | InRoom::TimesOut => people.pop_front(),
                InRoom::Ends => {
                    people.clear();
                    Some(user(0))
                }
            };
            let ended_at = if people.is_empty() { moment(second) / 1_000 } else { 0 };
            let [starts, joins, changes_media, leaves, times_out, ends] = &self.room;
            let case = match step {
                InRoom::Starts => starts,
                InRoom::Joins => joins,
                InRoom::ChangesMedia => changes_media,
                InRoom::Leaves => leaves,
                InRoom::TimesOut => times_out,
                InRoom::Ends => ends,
            };
            let values = [
                ("sid", sid.as_str()),
                ("user_id", who.as_deref().unwrap_or_default()),
                ("host_id", &user(0)),
                ("online", &people.len().to_string()),
                ("media_type", if is_video { "V" } else { "A" }),
                ("end_time", &ended_at.to_string()),
                ("ts", &moment(second).to_string()),
            ];
            with_parameters(case, &values)
        };
        let mut callbacks: Vec<String> = (0..).zip(steps).map(tell).collect();
        let end = callbacks.pop().unwrap_or_default();
        Story { sid, callbacks, end }
    }

    /// A Tencent group call of so many events before its end, one a second: four accept, four do not answer,
    /// and then someone is always being invited, accepting or hanging up.
    pub fn group_call(&self, number: usize, events: usize) -> Story {
        use InGroupCall::{Accepts, DoNotAnswer, HangsUp, IsInvited};
        let sid = format!("{number:08x}-{events:08x}-c0ffee-group-call");
        let [starts, changes, ends] = &self.group_call;
        let mut members = (0..MEMBERS_OF_A_GROUP_CALL).map(user);
        // In each, who has been there longest is first.
        let mut talking: VecDeque<String> = members.by_ref().take(1).collect();
        let (mut ringing, mut away): (VecDeque<String>, _) = (members.collect(), VecDeque::new());
        let users = |talking: &VecDeque<String>, ringing: &VecDeque<String>| -> Vec<Value> {
            let listed = |status| move |user| json!({ "User_Account": user, "Status": status });
            talking.iter().map(listed("Calling")).chain(ringing.iter().map(listed("Waiting"))).collect()
        };
        let mut callbacks = vec![with_body(starts, |body| {
            put(body, "/CallInfo/CallId", json!(sid));
            put(body, "/UserList", json!(users(&talking, &ringing)));
            put(body, "/EventTime", json!(moment(0)));
        })];
        // In how many callbacks Tencent tells of those who do not answer shifts the rounds against each
        // other.
        let silent: &[InGroupCall] = match number % ROUND_OF_A_GROUP_CALL.len() {
            0 => &[DoNotAnswer(4)],
            1 => &[DoNotAnswer(2), DoNotAnswer(2)],
            _ => &[DoNotAnswer(2), DoNotAnswer(1), DoNotAnswer(1)],
        };
        let opening = [Accepts; 4].iter().chain(silent).copied();
        for (second, step) in (1..events).zip(opening.chain(ROUND_OF_A_GROUP_CALL.into_iter().cycle())) {
            let (from, count, to, word) = match step {
                Accepts => (&mut ringing, 1, &mut talking, "Accept"),
                DoNotAnswer(count) => (&mut ringing, count, &mut away, "NotAnswer"),
                HangsUp => (&mut talking, 1, &mut away, "Hang Up"),
                IsInvited => (&mut away, 1, &mut ringing, "Invited"),
            };
            let changed: Vec<String> = from.drain(..count.min(from.len())).collect();
            to.extend(changed.iter().cloned());
            let changed = changed.iter().map(|user| json!({ "User_Account": user, "ActionType": word }));
            callbacks.push(with_body(changes, |body| {
                put(body, "/CallId", json!(sid));
                put(body, "/UserList", json!(users(&talking, &ringing)));
                put(body, "/ChangedUserList", changed.collect());
                put(body, "/EventTime", json!(moment(second)));
            }));
        }
        let end = with_body(ends, |body| {
            put(body, "/CallRecord/CallId", json!(sid));
            put(body, "/CallRecord/Caller_Account", json!(user(0)));
            put(body, "/CallRecord/CalleeList_Account", (1..MEMBERS_OF_A_GROUP_CALL).map(user).collect());
            put(body, "/CallRecord/EndTime", json!(moment(events) / 1_000));
            put(body, "/EventTime", json!(moment(events)));
        });
        Story { sid, callbacks, end }
    }
}

/// The same event with other values of its query's parameters.
fn with_parameters(event: &Value, values: &[(&str, &str)]) -> String {
    let query = event.get("rawQueryString").and_then(Value::as_str).unwrap_or_default();
    let other = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default();
        let value = values.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
        value.map_or_else(|| pair.to_owned(), |value| format!("{name}={value}"))
    };
    let query: Vec<String> = query.split('&').map(other).collect();
    let mut event = event.clone();
    put(&mut event, "/rawQueryString", json!(query.join("&")));
    event.to_string()
}

/// The same event with another body.
fn with_body(event: &Value, change: impl FnOnce(&mut Value)) -> String {
    let body = event.get("body").and_then(Value::as_str).unwrap_or_default();
    let mut body = serde_json::from_str(body).unwrap_or_default();
    change(&mut body);
    let mut event = event.clone();
    put(&mut event, "/body", json!(body.to_string()));
    event.to_string()
}

/// Puts a value in the place of the one that is there.
fn put(object: &mut Value, path: &str, value: Value) {
    if let Some(place) = object.pointer_mut(path) {
        *place = value;
    }
}

fn user(number: usize) -> String {
    format!("user-{number:05}")
}

fn moment(second: usize) -> u64 {
    BEGINNING_MS + 1_000 * second as u64
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
        let last = |number| parameter(stories().room(number, 10).callbacks.last().unwrap(), "msc");
        let mut lasts: Vec<String> = (0..10).map(last).collect();
        lasts.sort();
        assert_eq!(lasts.concat(), "CCCDDMMMMT");
    }

    #[test]
    fn a_room_has_its_people_and_nobody_is_in_it_only_at_its_end() {
        let story = stories().room(3, 1_000);
        assert_eq!(story.callbacks.iter().collect::<HashSet<_>>().len(), 1_000);
        let people: HashSet<String> =
            story.callbacks.iter().map(|event| parameter(event, "user_id")).collect();
        assert_eq!(people.len(), PEOPLE_IN_A_ROOM);
        assert!(story.callbacks.iter().all(|event| parameter(event, "online") != "0"));
        assert_eq!(
            (parameter(&story.end, "online"), parameter(&story.end, "sid")),
            ("0".to_owned(), story.sid)
        );
    }

    #[test]
    fn group_calls_of_any_length_end_in_every_step_of_the_round() {
        let last = |number, events| {
            let event: Value =
                serde_json::from_str(stories().group_call(number, events).callbacks.last().unwrap()).unwrap();
            let body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
            let people = body["UserList"].as_array().unwrap().len();
            (body["ChangedUserList"][0]["ActionType"].as_str().unwrap().to_owned(), people)
        };
        let expected = [("Invited".to_owned(), 6), ("Hang Up".to_owned(), 5), ("Accept".to_owned(), 6)];
        for events in [10, 1_000] {
            assert_eq!([last(0, events), last(1, events), last(2, events)], expected);
        }
    }
}
