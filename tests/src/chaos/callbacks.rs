//! Callbacks as the vendors send them, and the call that must result from some of them.
//!
//! The expectation comes from the stories themselves, not from the library that is under test.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::stack::variable;

/// The token of Tencent's signatures, as if set in its console.
pub(super) const SIGNING_TOKEN: &str = "chaos-signing-token";

const BASE: u64 = 1_793_600_000;

/// One callback.
pub(super) struct Callback {
    /// The function that it goes to.
    pub(super) function: &'static str,
    /// Its number; the vendor sends it along, so that its record can be found.
    pub(super) number: usize,
    /// The call that it belongs to.
    pub(super) session: usize,
    /// What it says.
    pub(super) tells: Tells,
    path: &'static str,
    query: String,
    body: Option<String>,
}

/// A call, by the numbers of its callbacks.
pub(super) struct Session {
    /// The session id.
    pub(super) sid: String,
    /// Its callbacks.
    pub(super) callbacks: Vec<usize>,
}

/// What a callback says, as far as the call item or the push job shows it.
#[derive(Clone, Debug)]
pub(super) enum Tells {
    /// A push job with this in it.
    Push { cc_param: String },
    /// The end of a one-to-one call of LINE's.
    End { outcome: &'static str, reason: u64, talked: bool, at: u64 },
    /// Something in a room.
    Room { at: u64, online: u64, media: &'static str, over: bool },
    /// Whether a server's call reached the callee.
    Reached(bool),
    /// One side's story in Tencent's older generation.
    Side { caller: bool, does: Does, answered: bool, at: u64 },
    /// The whole call's story in Tencent's current generation.
    Whole { does: Does, at: u64 },
}

/// What happens in Tencent's stories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Does {
    /// It rings.
    Rings,
    /// The callee answers.
    Answers,
    /// It ends.
    Ends,
}

impl Callback {
    /// Only Tencent sends again.
    pub(super) fn is_sent_again(&self) -> bool {
        self.body.is_some()
    }

    /// The event that API Gateway would make of it now.
    pub(super) fn event(&self, token: &str) -> String {
        let mut query = self.query.clone();
        if self.is_sent_again() {
            // A vendor that sends again signs again.
            let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            let request_time = since_epoch.as_secs().to_string();
            let digest = Sha256::digest(format!("{SIGNING_TOKEN}{request_time}"));
            let sign = digest.iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            let _ = write!(query, "&Sign={sign}&RequestTime={request_time}");
        }
        let method = if self.body.is_some() { "POST" } else { "GET" };
        json!({
            "version": "2.0", "rawPath": format!("/{token}{}", self.path), "rawQueryString": query,
            "body": self.body, "headers": { "content-type": "application/json" }, "isBase64Encoded": false,
            "requestContext": { "http": { "method": method, "sourceIp": "192.0.2.10" } },
        })
        .to_string()
    }
}

/// At least this many callbacks of all five functions, the calls mixed with each other.
pub(super) fn generate(count: usize) -> (Vec<Callback>, Vec<Session>) {
    let mut story = Stories { run: format!("chaos-{:08x}", fastrand::u32(..)), ..Stories::default() };
    while story.callbacks.len() < count {
        // Some 40 callbacks; few of Tencent's, because each may be sent seven times.
        for _ in 0..8 {
            story.notify();
            story.one_to_one();
        }
        story.room();
        story.room();
        story.one_to_one();
        story.one_to_one();
        story.agent(true);
        story.agent(false);
        story.sides(fastrand::bool());
        story.whole();
    }
    (story.callbacks, story.sessions)
}

#[derive(Default)]
struct Stories {
    run: String,
    callbacks: Vec<Callback>,
    sessions: Vec<Session>,
}

impl Stories {
    fn session(&mut self) -> (usize, String) {
        let number = self.sessions.len();
        let sid = format!("{}-{number}", self.run);
        self.sessions.push(Session { sid: sid.clone(), callbacks: Vec::new() });
        (number, sid)
    }

    fn add(
        &mut self,
        function: &'static str,
        path: &'static str,
        session: usize,
        query: &str,
        body: Option<&Value>,
        tells: Tells,
    ) {
        let number = self.callbacks.len();
        self.sessions[session].callbacks.push(number);
        let query = format!("{query}&chaos={number}");
        let body = body.map(Value::to_string);
        self.callbacks.push(Callback { function, number, session, tells, path, query, body });
    }

    fn notify(&mut self) {
        let (session, sid) = self.session();
        // As in base64: with `+`, `/` and `=`, which LINE sends escaped or not.
        let random: String = (0..48).map(|_| fastrand::alphanumeric()).collect();
        let cc_param = format!("{random}+/{random}==");
        let param = if fastrand::bool() {
            cc_param.replace('+', "%2B").replace('=', "%3D")
        } else {
            cc_param.clone()
        };
        let query = format!("sid={sid}&{PEOPLE}&type=V&param={param}");
        self.add("notify", "/line/notify_cb", session, &query, None, Tells::Push { cc_param });
    }

    fn one_to_one(&mut self) {
        let (session, sid) = self.session();
        self.end(session, &sid);
    }

    fn end(&mut self, session: usize, sid: &str) {
        const ENDS: [(&str, u64); 5] =
            [("answered", 1001), ("missed", 1203), ("rejected", 1002), ("busy", 1202), ("canceled", 1201)];
        let (outcome, reason) = ENDS[fastrand::usize(..ENDS.len())];
        let talked = outcome == "answered";
        let at = BASE + 35;
        let (start, duration) = if talked { (BASE + 5, 30) } else { (0, 0) };
        let query = format!(
            "sid={sid}&{PEOPLE}&type=A&setup_time={BASE}&start_time={start}&end_time={at}&duration={duration}&disconnect_reason={reason}"
        );
        self.add(
            "call-event",
            "/line/call_event",
            session,
            &query,
            None,
            Tells::End { outcome, reason, talked, at },
        );
    }

    fn room(&mut self) {
        let (session, sid) = self.session();
        let events = [
            ("alice", "S", "C", 1, "A", "audio"),
            ("bob", "C", "C", 2, "A", "audio"),
            ("bob", "C", "M", 2, "V", "video"),
            ("bob", "C", "D", 1, "V", "video"),
            ("alice", "E", "D", 0, "V", "video"),
        ];
        for (number, (user, sc, msc, online, letter, media)) in (0..).zip(events) {
            let at = BASE * 1_000 + number * 7_000 + 123;
            let over = sc == "E";
            let end = if over { format!("&end_time={}", BASE + 40) } else { String::new() };
            let query = format!(
                "sid={sid}&svc_id=planetkit&id=standup&user_svc_id=planetkit&user_id={user}&host_svc_id=planetkit&host_id=alice&sc={sc}\
                 &msc={msc}&online={online}&media_type={letter}&setup_time={BASE}&start_time={BASE}{end}&ts={at}"
            );
            let tells = Tells::Room { at, online, media, over };
            self.add("group-call-event", "/line/gcall_event", session, &query, None, tells);
        }
    }

    /// A call that a server makes: the callee is reached and the call has an end, or the attempt fails.
    fn agent(&mut self, reached: bool) {
        let (session, sid) = self.session();
        let result = if reached { "SUCCESS&fail_reason=None" } else { "FAIL&fail_reason=UNKNOWN" };
        let query = format!(
            "sid={sid}&agent_type=AUDIO_CALLER&media_source_type=STORED_SOURCE&{PEOPLE}&result={result}"
        );
        let tells = Tells::Reached(reached);
        self.add("agent-call-status", "/line/agent_call_status", session, &query, None, tells);
        if reached {
            self.end(session, &sid);
        }
    }

    /// A call that caller and callee each report.
    fn sides(&mut self, answered: bool) {
        let (session, sid) = self.session();
        let events: &[(bool, &str, Does, u64)] = if answered {
            &[
                (true, "start_call", Does::Rings, 0),
                (false, "receive_call", Does::Rings, 1),
                (false, "accept_call", Does::Answers, 8),
                (true, "call_accepted", Does::Answers, 8),
                (true, "call_end", Does::Ends, 98),
                (false, "call_end", Does::Ends, 98),
            ]
        } else {
            &[
                (true, "start_call", Does::Rings, 0),
                (false, "receive_call", Does::Rings, 1),
                (true, "call_missed", Does::Ends, 60),
                (false, "not_answer_call", Does::Ends, 60),
            ]
        };
        for &(caller, event, does, after) in events {
            let at = BASE + after;
            let (user, role) = if caller { ("alice", "caller") } else { ("bob", "callee") };
            let ends = does == Does::Ends;
            let result = match (ends, answered) {
                (false, _) => "",
                (true, true) => "normal_end",
                (true, false) => "not_answer",
            };
            let body = json!({
                "UserId": user, "RoomId": "alice-and-bob", "TotalNum": 2, "MediaType": "audio",
                "CallType": "single", "CallId": sid, "Role": role, "Event": event, "CallResult": result,
                "EventTime": at, "StartCallTs": if ends { BASE } else { 0 },
                "AcceptTs": if ends && answered { BASE + 8 } else { 0 }, "EndTs": if ends { at } else { 0 },
            });
            let query = format!("sdkappid=1400000001&command={role}_{event}&contenttype=json");
            let tells = Tells::Side { caller, does, answered, at };
            self.add("tencent-call-event", "/tencent/call_event", session, &query, Some(&body), tells);
        }
    }

    /// A call as Tencent's servers report it.
    fn whole(&mut self) {
        let (session, sid) = self.session();
        let user = |user: &str, status: &str| json!({ "User_Account": user, "Status": status });
        let info = json!({
            "CallId": sid, "CallMediaType": "Video", "ChatGroupId": "", "RoomId": "alice-and-bob",
            "RoomIdType": 2,
        });
        let record = json!({
            "CallId": sid, "Caller_Account": "alice", "MediaType": "Video", "CallType": "SingleCall",
            "StartTime": BASE, "EndTime": BASE + 98, "AcceptTime": BASE + 8, "CallResult": "NormalEnd",
            "CalleeList_Account": ["bob"], "RoomId": "alice-and-bob", "RoomIdType": 2,
        });
        let events = [
            (
                "AfterStartCall",
                Does::Rings,
                0,
                json!({ "CallInfo": info, "UserList": [user("alice", "Calling"), user("bob", "Waiting")] }),
            ),
            (
                "AfterMemberChanged",
                Does::Answers,
                8,
                json!({
                    "CallInfo": info, "UserList": [user("alice", "Calling"), user("bob", "Calling")],
                    "ChangedUserList": [{ "User_Account": "bob", "ActionType": "Accept" }],
                }),
            ),
            ("AfterEndCall", Does::Ends, 98, json!({ "CallRecord": record })),
        ];
        for (command, does, after, mut body) in events {
            let at = BASE + after;
            let command = format!("Call.Callback{command}");
            body["CallbackCommand"] = command.as_str().into();
            body["EventTime"] = (at * 1_000).into();
            let query = format!("SdkAppid=1400000001&CallbackCommand={command}&contenttype=json");
            let tells = Tells::Whole { does, at };
            self.add("tencent-call-event", "/tencent/call_event", session, &query, Some(&body), tells);
        }
    }
}

const PEOPLE: &str = "from_service_id=planetkit&from_user_id=alice&to_service_id=planetkit&to_user_id=bob";

/// The attributes of a call item by path, in DynamoDB's JSON; `null` where there must be none.
pub(super) type Attributes = BTreeMap<&'static str, Value>;

/// What a call item must show after exactly these callbacks.
pub(super) fn call(told: &[&Tells]) -> Attributes {
    let mut call = Attributes::from([
        ("status", word("ringing")),
        ("outcome", Value::Null),
        ("started_at", Value::Null),
        ("ended_at", Value::Null),
        ("duration_s", Value::Null),
    ]);
    let mut newest = None;
    for tells in told {
        newest = newest.max(match tells {
            Tells::End { at, .. } | Tells::Side { at, .. } | Tells::Whole { at, .. } => Some(at * 1_000),
            Tells::Room { at, .. } => Some(*at),
            Tells::Push { .. } | Tells::Reached(_) => None,
        });
    }
    call.insert("last_event_at", newest.map_or(Value::Null, number));
    // In the order of events, so that the last event decides the status.
    let mut told = told.to_vec();
    told.sort_by_key(|tells| order(tells));
    let mut answered_at = None;
    for tells in told {
        match *tells {
            Tells::Push { .. } => {}
            Tells::Reached(true) => {}
            Tells::Reached(false) => {
                call.extend([
                    ("status", word("ended")),
                    ("outcome", word("failed")),
                    ("duration_s", number(0)),
                ]);
            }
            Tells::End { outcome, reason, talked, at } => {
                call.extend([
                    ("kind", word("one-to-one")),
                    ("status", word("ended")),
                    ("outcome", word(outcome)),
                    ("reason.disconnect_reason", number(reason)),
                    ("ended_at", number(at * 1_000)),
                    ("duration_s", number(if talked { 30 } else { 0 })),
                    ("caller.user_id", word("alice")),
                    ("callee.user_id", word("bob")),
                    ("media", word("audio")),
                ]);
                if talked {
                    call.insert("started_at", number((BASE + 5) * 1_000));
                }
            }
            Tells::Room { online, media, over, .. } => {
                call.extend([
                    ("kind", word("group")),
                    ("status", word("ongoing")),
                    ("online", number(online)),
                    ("media", word(media)),
                    ("room.id", word("standup")),
                    ("host.user_id", word("alice")),
                    ("started_at", number(BASE * 1_000)),
                ]);
                if over {
                    call.extend([
                        ("status", word("ended")),
                        ("outcome", word("answered")),
                        ("ended_at", number((BASE + 40) * 1_000)),
                        ("duration_s", number(40)),
                    ]);
                }
            }
            Tells::Side { caller, does, answered, at } => {
                call.extend([("kind", word("one-to-one")), ("media", word("audio"))]);
                if caller {
                    call.insert("caller.user_id", word("alice"))
                } else {
                    call.insert("callee.user_id", word("bob"))
                };
                tencent(&mut call, does, at, answered, &mut answered_at);
            }
            Tells::Whole { does, at } => {
                call.extend([
                    ("kind", word("one-to-one")),
                    ("media", word("video")),
                    ("callee.user_id", word("bob")),
                ]);
                if does != Does::Answers {
                    call.insert("caller.user_id", word("alice"));
                }
                tencent(&mut call, does, at, true, &mut answered_at);
            }
        }
    }
    call
}

fn tencent(call: &mut Attributes, does: Does, at: u64, answered: bool, answered_at: &mut Option<u64>) {
    if does != Does::Rings && answered {
        *answered_at = Some(BASE + 8);
    }
    match does {
        Does::Rings => {}
        Does::Answers => drop(call.insert("status", word("ongoing"))),
        Does::Ends => {
            call.extend([
                ("status", word("ended")),
                ("outcome", word(if answered { "answered" } else { "missed" })),
                ("ended_at", number(at * 1_000)),
                ("duration_s", number(answered_at.map_or(0, |answer| at - answer))),
            ]);
        }
    }
    if let Some(answer) = *answered_at {
        call.insert("started_at", number(answer * 1_000));
    }
}

/// What decides the status of a call sorts last.
fn order(tells: &Tells) -> (u8, u64) {
    match tells {
        Tells::Push { .. } | Tells::Reached(_) => (0, 0),
        Tells::End { at, .. } => (3, *at),
        Tells::Room { at, .. } => (1, *at),
        Tells::Side { does, at, .. } | Tells::Whole { does, at } => (*does as u8, *at),
    }
}

fn word(word: &str) -> Value {
    json!({ "S": word })
}

fn number(number: u64) -> Value {
    json!({ "N": number.to_string() })
}

/// An attribute by its path.
pub(super) fn attribute<'a>(item: &'a Value, path: &str) -> &'a Value {
    match path.split_once('.') {
        Some((map, member)) => &item[map]["M"][member],
        None => &item[path],
    }
}

/// The token in the stack's URLs.
pub(super) fn token() -> String {
    variable("CALLBACK_URL").rsplit('/').next().unwrap().to_owned()
}
