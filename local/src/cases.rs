//! Plays the cases of `ringback-cases` on the running stack and compares each result with the expected one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ringback::line::push_job::BODY_BYTES;
use ringback_cases::{Call, Case};
use ringback_tests::http;
use serde_json::{Value, json};

use crate::error::StackError;
use crate::gateway::Reply;
use crate::phones::{Person, Ring};
use crate::stack::Stack;

/// They describe the connection of the recorded event.
const CONNECTION_HEADERS: [&str; 4] = ["connection", "content-length", "host", "transfer-encoding"];
/// A function's words for a callback that is in the table, now or since an earlier time.
const RECORDED: [&str; 2] = ["recorded", "duplicate"];
/// The vendors wait two seconds: a callback that takes longer than this has failed.
const TO_ANSWER: Duration = Duration::from_secs(10);
/// A notify's outcomes with a push job.
const PUBLISHED: [&str; 3] = ["published", "rung", "not_rung"];
const NOTIFY: &str = "notify";

/// An HTTP answer; the status is `None` when none came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: Option<u16>,
    pub(crate) body: String,
}

/// What a function printed about one callback or one message, and the call at that time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handled {
    pub(crate) outcome: String,
    pub(crate) reason: String,
    pub(crate) sid: String,
    pub(crate) call: Option<Value>,
}

/// What became of one event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Played {
    pub(crate) answer: Answer,
    pub(crate) handled: Vec<Handled>,
    pub(crate) jobs: Vec<Value>,
    pub(crate) rings: Vec<Ring>,
}

impl Played {
    /// The effects, in the words of the cases' tables.
    fn effect(&self) -> String {
        let jobs = vec!["job"; self.jobs.len()];
        let record = self.handled.iter().any(|each| each.call.is_some()).then_some("record");
        let all: Vec<_> = jobs.into_iter().chain(record).collect();
        if all.is_empty() { "none".to_owned() } else { all.join(" and ") }
    }

    /// What is not as expected; empty when all is. A step of a call has a status alone.
    pub(crate) fn differs(&self, expected: &Value) -> String {
        let text = |name: &str| expected.get(name).and_then(Value::as_str);
        let status = self.answer.status.map_or("no answer".to_owned(), |status| status.to_string());
        let mut wanted = vec![expected.get("status").map(ToString::to_string).unwrap_or_default()];
        let mut found = vec![status];
        if let Some(effect) = text("effect") {
            wanted.push(effect.to_owned());
            found.push(self.effect());
        }
        if wanted == found {
            return String::new();
        }
        let why = text("why").unwrap_or_default();
        let said = format!("expected {}, got {}. {why}", wanted.join(" and "), found.join(" and "));
        said.trim_end_matches([' ', '.']).to_owned()
    }

    /// Whether a phone got something else than the push job says.
    fn rang_with_other_words(&self) -> String {
        let Some(job) = self.jobs.first() else { return String::new() };
        let other = self.rings.iter().find(|ring| ring.job.get("cc_param") != job.get("cc_param"));
        other.map_or_else(String::new, |ring| format!("{} got another cc_param", ring.phone))
    }
}

/// Whom the cases call.
pub(crate) fn people(cases: &[Case], calls: &[Call]) -> BTreeSet<Person> {
    let notifies = cases.iter().filter(|case| is_taken(case));
    let steps = calls.iter().flat_map(|call| &call.steps).filter(|step| step.function == NOTIFY);
    let events = notifies.map(|case| &case.event).chain(steps.map(|step| &step.event));
    events.filter_map(callee).collect()
}

fn callee(event: &Value) -> Option<Person> {
    Person::called(event.get("rawQueryString")?.as_str()?)
}

/// Plays the callbacks of a call one after the other. Returns also what is not as expected.
pub(crate) fn play_call(call: &Call, stack: &Stack) -> Result<(Vec<Played>, String), StackError> {
    let (mut played, mut differences) = (Vec::new(), Vec::new());
    for step in &call.steps {
        let result = play(&step.function, &step.event, stack)?;
        differences.push(result.differs(&json!({ "status": step.status })));
        differences.push(result.rang_with_other_words());
        played.push(result);
    }
    let item =
        played.iter().flat_map(|result| &result.handled).filter_map(|each| each.call.as_ref()).next_back();
    differences.extend(ends_otherwise(&call.call, item));
    differences.retain(|each| !each.is_empty());
    Ok((played, differences.join("; ")))
}

/// What is not as expected of the call item.
fn ends_otherwise(expected: &Value, item: Option<&Value>) -> Vec<String> {
    let members = expected.as_object().into_iter().flatten();
    let differs = members.filter_map(|(name, value)| {
        let found = item.and_then(|item| item.get(name)).unwrap_or(&Value::Null);
        (!holds(found, value)).then(|| format!("expected {name} {value}, got {found}"))
    });
    differs.collect()
}

/// Whether an attribute is as wanted; of an object only the members that are named count.
fn holds(found: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Object(members) => {
            let get = |name| found.get(name).unwrap_or(&Value::Null);
            found.is_object() && members.iter().all(|(name, value)| holds(get(name), value))
        }
        _ => found == wanted,
    }
}

/// What became of each function's cases, and what is not as expected.
pub(crate) type ByFunction = Vec<(String, Vec<(Played, String)>)>;

/// Plays the cases of each function side by side, those of one function one after the other.
pub(crate) fn play_all(cases: &[Case], stack: &Stack) -> Result<ByFunction, StackError> {
    let mut by_function = BTreeMap::<&str, Vec<&Case>>::new();
    for case in cases {
        by_function.entry(case.function()).or_default().push(case);
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = by_function
            .into_iter()
            .map(|(function, cases)| {
                let play = move || cases.into_iter().map(|case| play_case(case, stack)).collect();
                (function.to_owned(), scope.spawn(play))
            })
            .collect();
        let join =
            |(function, thread): (String, std::thread::ScopedJoinHandle<'_, Result<_, StackError>>)| {
                let played =
                    thread.join().map_err(|_| StackError::new(format!("playing {function} failed")))??;
                Ok((function, played))
            };
        threads.into_iter().map(join).collect()
    })
}

fn play_case(case: &Case, stack: &Stack) -> Result<(Played, String), StackError> {
    let played = play(case.function(), &case.event, stack)?;
    let expected =
        if stack.settings.rings { where_phones_ring(case, &played, stack) } else { case.expected.clone() };
    let differences = [played.differs(&expected), played.rang_with_other_words()];
    Ok((played, differences.into_iter().filter(|each| !each.is_empty()).collect::<Vec<_>>().join("; ")))
}

/// The tables say what becomes of a notify when nothing rings. Where phones ring, a callee without a phone
/// cannot be called, a session rings once, and no push carries more than a push job.
fn where_phones_ring(case: &Case, played: &Played, stack: &Stack) -> Value {
    let mut expected = case.expected.clone();
    if !is_taken(case) {
        return expected;
    }
    let has_phone = callee(&case.event).is_some_and(|callee| stack.phones.has(&callee));
    let is_too_long = played.jobs.iter().any(|job| job.to_string().len() > BODY_BYTES);
    let is_known = played.handled.iter().any(|each| each.outcome == "duplicate");
    let differs = match (has_phone, is_too_long, is_known) {
        (false, ..) => json!({ "status": 404, "effect": "none" }),
        (_, true, _) => json!({ "status": 503 }),
        (.., true) => json!({ "effect": "none" }),
        _ => json!({}),
    };
    if let (Value::Object(expected), Value::Object(differs)) = (&mut expected, differs) {
        expected.extend(differs);
    }
    expected
}

/// Whether a notify is one that rings.
fn is_taken(case: &Case) -> bool {
    case.function() == NOTIFY && case.expected.get("status").and_then(Value::as_u64) == Some(200)
}

/// Sends one event to its function and looks at what happens.
fn play(function: &str, event: &Value, stack: &Stack) -> Result<Played, StackError> {
    let messages = messages(event);
    let (answer, lines) = match messages {
        None => {
            let answer = send(function, event, stack);
            let lines = usize::from(answer.status.is_some());
            (answer, lines)
        }
        Some(messages) => {
            let answer = invoke(function, event, stack);
            let lines = if answer.status == Some(200) { messages.len() } else { 0 };
            (answer, lines)
        }
    };
    let mut handled = Vec::new();
    for _ in 0..lines {
        let line = stack.running.line_of(function);
        let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (outcome, sid) = (text("outcome"), text("sid"));
        let recorded = function != NOTIFY && is_recorded(&outcome);
        let call = if recorded { stack.call(&sid)? } else { None };
        handled.push(Handled { outcome, reason: text("reason"), sid, call });
    }
    let (mut jobs, mut rings) = (Vec::new(), Vec::new());
    if function == NOTIFY {
        let publishes = handled.iter().any(|each| is_published(&each.outcome));
        jobs = stack.take_jobs(u8::from(publishes))?;
        rings = stack.phones.take();
    }
    Ok(Played { answer, handled, jobs, rings })
}

pub(crate) fn is_recorded(outcome: &str) -> bool {
    RECORDED.contains(&outcome)
}

pub(crate) fn is_published(outcome: &str) -> bool {
    PUBLISHED.contains(&outcome)
}

/// The messages of a batch.
fn messages(event: &Value) -> Option<&Vec<Value>> {
    event.get("Records").and_then(Value::as_array)
}

/// Sends a case over HTTP as its vendor would, or directly when HTTP cannot carry it.
fn send(function: &str, event: &Value, stack: &Stack) -> Answer {
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let (path, query) = (text("rawPath"), text("rawQueryString"));
    let method = event.pointer("/requestContext/http/method").and_then(Value::as_str).unwrap_or_default();
    let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    // API Gateway decodes the path, so an escape in an event's path was escaped twice in the request.
    let travels = stack.gateway.leads(method, path, function) && !path.contains('%') && is_target(&target);
    if !travels {
        let answer = invoke(function, event, stack);
        let response: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        return match response.get("statusCode").and_then(Value::as_u64) {
            Some(status) if answer.status == Some(200) => Answer {
                status: u16::try_from(status).ok(),
                body: response.get("body").and_then(Value::as_str).unwrap_or_default().to_owned(),
            },
            _ => answer,
        };
    }
    let is_encoded = event.get("isBase64Encoded").and_then(Value::as_bool).unwrap_or_default();
    let body = text("body");
    let body = if is_encoded { STANDARD.decode(body).unwrap_or_default() } else { body.into() };
    let headers = event.get("headers").and_then(Value::as_object).into_iter().flatten();
    let headers: Vec<(&str, &str)> = headers
        .filter(|(name, _)| !CONNECTION_HEADERS.contains(&name.to_ascii_lowercase().as_str()))
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .collect();
    let address = format!("127.0.0.1:{}", stack.settings.port);
    match http::exchange(&address, method, &target, &headers, &body, TO_ANSWER) {
        Ok(answer) => Answer { status: Some(answer.status), body: answer.body },
        Err(error) => Answer { status: None, body: format!("no answer: {error}") },
    }
}

/// Hands a function an event as it stands. Any status but 200 means that it failed.
fn invoke(function: &str, event: &Value, stack: &Stack) -> Answer {
    let (status, body) = match stack.gateway.invoke(function, event.to_string().into_bytes()) {
        Reply::Response(body) => (200, body),
        Reply::Failed(body) => (500, body),
    };
    Answer { status: Some(status), body: String::from_utf8_lossy(&body).into_owned() }
}

/// Whether a request line can hold it (RFC 3986).
fn is_target(target: &str) -> bool {
    target.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~!$&'()*+,;=:@/?%-".contains(&byte))
}

/// Each event is one item, and each call one more. Any other item was recorded without a log line.
pub(crate) fn miscounted<'a>(handled: impl Iterator<Item = &'a Handled>, held: u64) -> Option<String> {
    let stored: Vec<_> = handled.filter(|each| each.call.is_some()).collect();
    let calls = stored.iter().map(|each| &each.sid).collect::<BTreeSet<_>>().len();
    let recorded = stored.iter().filter(|each| each.outcome == "recorded").count();
    // A write whose answer is lost is tried again and looks like a duplicate.
    let (fewest, most) = ((calls + recorded) as u64, (calls + stored.len()) as u64);
    let right = (fewest..=most).contains(&held);
    (!right).then(|| format!("DIFFERENT: the table holds {held} items, not {fewest} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handled(sid: &str, outcome: &str) -> Handled {
        let call = Some(json!({ "sid": sid }));
        Handled { outcome: outcome.into(), sid: sid.into(), call, ..Handled::default() }
    }

    fn answered(status: Option<u16>, handled: Vec<Handled>) -> Played {
        Played { answer: Answer { status, body: String::new() }, handled, ..Played::default() }
    }

    #[test]
    fn status_and_effect_must_both_be_as_expected() {
        let expected = json!({ "status": 200, "effect": "record", "why": "because." });
        let recorded = || vec![handled("s", "recorded")];
        assert_eq!(answered(Some(200), recorded()).differs(&expected), "");
        for (played, said) in [
            (answered(Some(200), vec![]), "expected 200 and record, got 200 and none. because"),
            (answered(Some(400), vec![]), "expected 200 and record, got 400 and none. because"),
            (answered(None, vec![]), "expected 200 and record, got no answer and none. because"),
        ] {
            assert_eq!(played.differs(&expected), said);
        }
        let both = Played { jobs: vec![json!({})], ..answered(Some(200), recorded()) };
        assert_eq!(both.effect(), "job and record");
    }

    #[test]
    fn a_phone_must_get_what_the_push_job_says() {
        let ring = |cc_param: &str| Ring { job: json!({ "cc_param": cc_param }), ..Ring::default() };
        let played = |cc_param| Played {
            jobs: vec![json!({ "cc_param": "a+b" })],
            rings: vec![ring(cc_param)],
            ..Played::default()
        };
        assert_eq!(played("a+b").rang_with_other_words(), "");
        assert_ne!(played("a b").rang_with_other_words(), "");
    }

    #[test]
    fn the_call_item_must_be_as_expected_after_the_last_callback() {
        let item = json!({ "outcome": "answered", "duration_s": 42, "caller": { "user_id": "alice" } });
        for (expected, said) in [
            (json!({ "outcome": "answered", "released_by": null }), ""),
            (json!({ "outcome": "missed" }), r#"expected outcome "missed", got "answered""#),
            (json!({ "caller": { "user_id": "alice", "name": null } }), ""),
            (
                json!({ "caller": { "user_id": "bob" } }),
                r#"expected caller {"user_id":"bob"}, got {"user_id":"alice"}"#,
            ),
            (json!({ "duration_s": null }), "expected duration_s null, got 42"),
        ] {
            assert_eq!(ends_otherwise(&expected, Some(&item)).join("; "), said);
        }
    }

    #[test]
    fn an_item_that_no_callback_was_seen_to_write_is_found() {
        let played = [("s", "recorded"), ("s", "recorded"), ("s", "duplicate"), ("t", "recorded")]
            .map(|(sid, outcome)| handled(sid, outcome));
        // Three events and two calls; the duplicate may be a write whose answer was lost.
        for (held, is_wrong) in [(4, true), (5, false), (6, false), (7, true)] {
            assert_eq!(miscounted(played.iter(), held).is_some(), is_wrong, "{held}");
        }
    }
}
