//! Calls of any length, told in callbacks as the vendors send them: the cases with sessions, people and times of their own.
//!
//! A story has a beginning and then one round of steps over and over, so that its last tenth is made of the same steps at every length. Stories of the same
//! length begin that round at different steps, so that many short ones end in as even a mix as one long one does.

use std::collections::VecDeque;
use std::path::Path;

use serde_json::{Value, json};

use crate::error::BenchError;

/// People who come and go in one LINE room. LINE's own group calls took 200 at once (LINE Engineering, "LINE Group Call").
pub const PEOPLE_IN_A_ROOM: usize = 200;
/// Members of one Tencent group call: as many as TUICallKit takes (Tencent, "Group call").
pub const MEMBERS_OF_A_GROUP_CALL: usize = 9;

/// 2026-11-09T08:07:01.237Z, the time of the samples. Its last digit is no zero, because DynamoDB does not store zeros at a number's end.
const BEGINNING_MS: u64 = 1_794_211_621_237;

/// A call and its callbacks in the vendor's order, each as API Gateway hands it over.
#[derive(Debug)]
pub struct Story {
    /// Its session id.
    pub sid: String,
    /// The callbacks before its end.
    pub callbacks: Vec<String>,
    /// The callback after all others, which says that the call is over.
    pub end: String,
}

/// A sample event to make others from.
#[derive(Debug)]
struct Sample(Value);

impl Sample {
    fn read(events: &Path, name: &str) -> Result<Self, BenchError> {
        let path = events.join(name).with_extension("json");
        let text = std::fs::read_to_string(&path).map_err(BenchError::io(path.display().to_string()))?;
        let unreadable = |error: serde_json::Error| BenchError::Unreadable { path, what: error.to_string() };
        serde_json::from_str(&text).map(Self).map_err(unreadable)
    }

    /// The same event with other values of its query's parameters.
    fn with_parameters(&self, values: &[(&str, &str)]) -> String {
        let query = self.0.get("rawQueryString").and_then(Value::as_str).unwrap_or_default();
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let other = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let pairs: Vec<(&str, &str)> = pairs.map(|(name, value)| (name, other(name).unwrap_or(value))).collect();
        let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut event = self.0.clone();
        set(&mut event, "rawQueryString", json!(query.join("&")));
        set(&mut event, "queryStringParameters", pairs.iter().map(|(name, value)| (*name, json!(value))).collect());
        event.to_string()
    }

    /// The same event with another body.
    fn with_body(&self, change: impl FnOnce(&mut Value)) -> String {
        let body = self.0.get("body").and_then(Value::as_str).and_then(|body| serde_json::from_str(body).ok());
        let mut body: Value = body.unwrap_or_default();
        change(&mut body);
        let mut event = self.0.clone();
        set(&mut event, "body", json!(body.to_string()));
        event.to_string()
    }
}

/// Puts a member into an object.
fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// LINE's one-to-one calls.
#[derive(Debug)]
pub struct OneToOneCalls {
    answered: Sample,
}

impl OneToOneCalls {
    /// From the folder of the sample events.
    ///
    /// # Errors
    /// [`BenchError`] naming the sample that is missing or cannot be read.
    pub fn read(events: &Path) -> Result<Self, BenchError> {
        Ok(Self { answered: Sample::read(events, "call-event/answered-call")? })
    }

    /// The event that ends the call of a number, with its session id.
    pub fn ended(&self, number: usize) -> (String, String) {
        let sid = format!("{number:08x}-0000-4000-8000-0000c0ffee00");
        let event = self.answered.with_parameters(&[("sid", &sid), ("from_user_id", &user(number % 50_000))]);
        (sid, event)
    }
}

/// What happens in a LINE room.
#[derive(Clone, Copy)]
enum InRoom {
    Connects,
    ChangesMedia,
    Disconnects,
    TimesOut,
}

/// As many come as go, so that a room never fills up.
const ROUND_OF_A_ROOM: [InRoom; 10] = [
    InRoom::Connects,
    InRoom::Connects,
    InRoom::ChangesMedia,
    InRoom::Disconnects,
    InRoom::Connects,
    InRoom::ChangesMedia,
    InRoom::ChangesMedia,
    InRoom::Disconnects,
    InRoom::ChangesMedia,
    InRoom::TimesOut,
];

/// LINE's group calls.
#[derive(Debug)]
pub struct Rooms {
    starts: Sample,
    connects: Sample,
    changes_media: Sample,
    disconnects: Sample,
    times_out: Sample,
    ends: Sample,
}

/// A LINE room as its next callback finds it.
struct Room {
    sid: String,
    /// Whoever has been in longest is first.
    people: VecDeque<String>,
    arrived: usize,
    video: bool,
}

impl Room {
    fn new(sid: String) -> Self {
        let mut room = Self { sid, people: VecDeque::new(), arrived: 0, video: false };
        room.next_comes();
        room
    }

    fn next_comes(&mut self) -> Option<String> {
        self.people.push_back(user(self.arrived % PEOPLE_IN_A_ROOM));
        self.arrived += 1;
        self.people.back().cloned()
    }

    fn told(&self, sample: &Sample, who: Option<&str>, seconds: usize) -> String {
        sample.with_parameters(&[
            ("sid", &self.sid),
            ("user_id", who.unwrap_or_default()),
            ("host_id", &user(0)),
            ("online", &self.people.len().to_string()),
            ("media_type", if self.video { "V" } else { "A" }),
            ("end_time", &if self.people.is_empty() { moment(seconds) / 1_000 } else { 0 }.to_string()),
            ("ts", &moment(seconds).to_string()),
        ])
    }
}

impl Rooms {
    /// From the folder of the sample events.
    ///
    /// # Errors
    /// [`BenchError`] naming the sample that is missing or cannot be read.
    pub fn read(events: &Path) -> Result<Self, BenchError> {
        let sample = |name: &str| Sample::read(events, &format!("group-call-event/standup-{name}"));
        Ok(Self {
            starts: sample("1-room-starts")?,
            connects: sample("2-second-participant-joins")?,
            changes_media: sample("4-media-changes-to-video")?,
            disconnects: sample("5-participant-leaves")?,
            times_out: sample("6-participant-times-out")?,
            ends: sample("7-room-ends")?,
        })
    }

    /// A room of so many events before its end, one a second. Three are in it before anybody leaves, so that it is never empty before its end.
    pub fn story(&self, number: usize, events: usize) -> Story {
        let mut room = Room::new(format!("{number:08x}{events:08x}0000c0ffee000000"));
        let mut callbacks = vec![room.told(&self.starts, Some(&user(0)), 0)];
        let round = ROUND_OF_A_ROOM.into_iter().cycle().skip(number % ROUND_OF_A_ROOM.len());
        let steps = [InRoom::Connects; 2].into_iter().chain(round);
        callbacks.extend((1..events).zip(steps).map(|(second, step)| self.after(step, &mut room, second)));
        room.people.clear();
        let end = room.told(&self.ends, Some(&user(0)), events);
        Story { sid: room.sid, callbacks, end }
    }

    fn after(&self, step: InRoom, room: &mut Room, second: usize) -> String {
        let (sample, who) = match step {
            InRoom::ChangesMedia => {
                room.video = !room.video;
                (&self.changes_media, room.people.back().cloned())
            }
            InRoom::Connects => (&self.connects, room.next_comes()),
            InRoom::Disconnects => (&self.disconnects, room.people.pop_front()),
            InRoom::TimesOut => (&self.times_out, room.people.pop_front()),
        };
        room.told(sample, who.as_deref(), second)
    }
}

/// What happens in a Tencent group call.
#[derive(Clone, Copy)]
enum InGroupCall {
    Accepts,
    /// So many who were called did not answer.
    DoNotAnswer(usize),
    HangsUp,
    IsInvited,
}

const ROUND_OF_A_GROUP_CALL: [InGroupCall; 3] = [InGroupCall::IsInvited, InGroupCall::Accepts, InGroupCall::HangsUp];

/// Tencent's group calls in the current generation of its callbacks.
#[derive(Debug)]
pub struct GroupCalls {
    starts: Sample,
    changes: Sample,
    ends: Sample,
}

/// A Tencent group call as its next callback finds it. In each list, whoever has been there longest is first.
struct GroupCall {
    sid: String,
    talking: VecDeque<String>,
    ringing: VecDeque<String>,
    away: VecDeque<String>,
}

impl GroupCall {
    fn new(sid: String) -> Self {
        let mut members = (0..MEMBERS_OF_A_GROUP_CALL).map(user);
        Self { sid, talking: members.by_ref().take(1).collect(), ringing: members.collect(), away: VecDeque::new() }
    }

    /// Everybody who is in the call or called, as `UserList` has it.
    fn users(&self) -> Value {
        let listed = |users: &VecDeque<String>, status: &'static str| -> Vec<Value> {
            users.iter().map(|user| json!({ "User_Account": user, "Status": status })).collect()
        };
        json!([listed(&self.talking, "Calling"), listed(&self.ringing, "Waiting")].concat())
    }

    /// Takes a step, and tells of whom in which of Tencent's words.
    fn step(&mut self, step: InGroupCall) -> (Vec<String>, &'static str) {
        let (from, count, to, word) = match step {
            InGroupCall::Accepts => (&mut self.ringing, 1, &mut self.talking, "Accept"),
            InGroupCall::DoNotAnswer(count) => (&mut self.ringing, count, &mut self.away, "NotAnswer"),
            InGroupCall::HangsUp => (&mut self.talking, 1, &mut self.away, "Hang Up"),
            InGroupCall::IsInvited => (&mut self.away, 1, &mut self.ringing, "Invited"),
        };
        let users: Vec<String> = from.drain(..count.min(from.len())).collect();
        to.extend(users.iter().cloned());
        (users, word)
    }
}

impl GroupCalls {
    /// From the folder of the sample events.
    ///
    /// # Errors
    /// [`BenchError`] naming the sample that is missing or cannot be read.
    pub fn read(events: &Path) -> Result<Self, BenchError> {
        let sample = |name: &str| Sample::read(events, &format!("tencent-call-event/current-group-{name}"));
        Ok(Self { starts: sample("1-starts")?, changes: sample("2-bob-accepts")?, ends: sample("8-ends")? })
    }

    /// A group call of so many events before its end, one a second: four accept, four do not answer, and then somebody is always being
    /// invited, accepting or hanging up.
    pub fn story(&self, number: usize, events: usize) -> Story {
        let mut call = GroupCall::new(format!("{number:08x}-{events:08x}-c0ffee-group-call"));
        // Tencent may tell of those who do not answer at once or one by one. In how many callbacks is what shifts the rounds against each other.
        let not_answering: &[usize] = match number % ROUND_OF_A_GROUP_CALL.len() {
            0 => &[4],
            1 => &[2, 2],
            _ => &[2, 1, 1],
        };
        let opening = [InGroupCall::Accepts; 4]
            .into_iter()
            .chain(not_answering.iter().map(|count| InGroupCall::DoNotAnswer(*count)));
        let steps = opening.chain(ROUND_OF_A_GROUP_CALL.into_iter().cycle());
        let mut callbacks = vec![self.started(&call)];
        callbacks.extend((1..events).zip(steps).map(|(second, step)| self.changed(step, &mut call, second)));
        let end = self.ended(&call, events);
        Story { sid: call.sid, callbacks, end }
    }

    fn started(&self, call: &GroupCall) -> String {
        self.starts.with_body(|body| {
            if let Some(info) = body.get_mut("CallInfo") {
                set(info, "CallId", json!(call.sid));
            }
            set(body, "UserList", call.users());
            set(body, "EventTime", json!(moment(0)));
        })
    }

    fn changed(&self, step: InGroupCall, call: &mut GroupCall, second: usize) -> String {
        let (users, word) = call.step(step);
        let changed: Vec<Value> =
            users.iter().map(|user| json!({ "User_Account": user, "ActionType": word })).collect();
        self.changes.with_body(|body| {
            set(body, "CallId", json!(call.sid));
            set(body, "UserList", call.users());
            set(body, "ChangedUserList", json!(changed));
            set(body, "EventTime", json!(moment(second)));
        })
    }

    fn ended(&self, call: &GroupCall, second: usize) -> String {
        let callees: Vec<String> = (1..MEMBERS_OF_A_GROUP_CALL).map(user).collect();
        self.ends.with_body(|body| {
            if let Some(record) = body.get_mut("CallRecord") {
                set(record, "CallId", json!(call.sid));
                set(record, "Caller_Account", json!(user(0)));
                set(record, "CalleeList_Account", json!(callees));
                set(record, "EndTime", json!(moment(second) / 1_000));
            }
            set(body, "EventTime", json!(moment(second)));
        })
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

    use super::*;

    fn events() -> std::path::PathBuf {
        ringback_cases::write().unwrap()
    }

    fn distinct(stories: &[Story]) -> usize {
        stories.iter().flat_map(|story| story.callbacks.iter().chain([&story.end])).collect::<HashSet<_>>().len()
    }

    #[test]
    fn a_room_has_as_many_different_events_as_asked_for_and_no_more_than_200_people() {
        let rooms = Rooms::read(&events()).unwrap();
        let stories = [rooms.story(0, 1_000), rooms.story(1, 1_000)];
        assert_eq!(distinct(&stories), 2_002);
        let parameters =
            |event: &String| serde_json::from_str::<Value>(event).unwrap()["queryStringParameters"].clone();
        let users: HashSet<Value> =
            stories[0].callbacks.iter().map(|event| parameters(event)["user_id"].clone()).collect();
        assert_eq!(users.len(), PEOPLE_IN_A_ROOM);
        for number in 0..ROUND_OF_A_ROOM.len() {
            let story = rooms.story(number, 100);
            assert!(story.callbacks.iter().all(|event| parameters(event)["online"] != "0"), "room {number}");
            assert_eq!(parameters(&story.end)["online"], "0");
        }
    }

    #[test]
    fn rooms_of_ten_events_end_in_every_step_of_the_round() {
        let rooms = Rooms::read(&events()).unwrap();
        let last = |number| -> String {
            let event: Value = serde_json::from_str(&rooms.story(number, 10).callbacks[9]).unwrap();
            event["queryStringParameters"]["msc"].as_str().unwrap().to_owned()
        };
        let mut lasts: Vec<String> = (0..10).map(last).collect();
        lasts.sort();
        assert_eq!(lasts.concat(), "CCCDDMMMMT");
    }

    #[test]
    fn group_calls_of_ten_events_end_in_every_step_of_the_round() {
        let calls = GroupCalls::read(&events()).unwrap();
        let last = |number: usize, events: usize| {
            let event: Value = serde_json::from_str(calls.story(number, events).callbacks.last().unwrap()).unwrap();
            let body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
            let people = body["UserList"].as_array().unwrap().len();
            (body["ChangedUserList"][0]["ActionType"].as_str().unwrap().to_owned(), people)
        };
        let expected = [("Invited".to_owned(), 6), ("Hang Up".to_owned(), 5), ("Accept".to_owned(), 6)];
        assert_eq!([last(0, 10), last(1, 10), last(2, 10)], expected);
        assert_eq!([last(0, 1_000), last(1, 1_000), last(2, 1_000)], expected);
    }

    #[test]
    fn one_to_one_calls_are_told_apart_by_their_number() {
        let calls = OneToOneCalls::read(&events()).unwrap();
        let (first, second) = (calls.ended(1), calls.ended(2));
        assert!(first.0 != second.0 && first.1.contains(&first.0) && !first.1.contains(&second.0));
    }
}
