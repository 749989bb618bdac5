//! What a person reads.

use aws_smithy_types::date_time::{DateTime, Format};
use ringback_cases::Call;
use serde_json::Value;

use crate::cases::{Handled, Played};
use crate::phones::Ring;

/// The first screen of `make run`.
pub(crate) const LINES: usize = 40;
const WIDTH: usize = 110;
/// How wide its left column is.
const COLUMN: usize = 48;
/// How much of a `cc_param` is shown at most: enough to tell two apart, too little to answer a call.
const SHOWN: usize = 8;

/// The first screen: as many stories as fit between its head and its end.
pub(crate) fn screen(head: String, stories: &[Vec<String>], end: Vec<String>) -> Vec<String> {
    let mut lines = vec![head, String::new()];
    for story in stories.iter().map(|story| shortened(story)) {
        if lines.len() + story.len() + 1 + end.len() <= LINES {
            lines.extend(story);
        }
    }
    lines.push(String::new());
    lines.extend(end);
    lines
}

/// A whole call as a person would tell it: what happened, and what Ringback did.
pub(crate) fn story(call: &Call, played: &[Played]) -> Vec<String> {
    let mut name = clean(&call.name).replace('-', " ");
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let steps = call.steps.iter().zip(played).map(|(step, played)| line(&step.what, played, ""));
    [cut(&name, WIDTH)].into_iter().chain(steps).collect()
}

/// One callback and what Ringback did about it.
pub(crate) fn line(what: &str, played: &Played, differs: &str) -> String {
    let what = clean(what);
    let what = what.trim_end_matches('.');
    let what =
        if what.chars().count() < COLUMN { what.to_owned() } else { format!("{}…", cut(what, COLUMN - 2)) };
    let line = cut(&format!("  {what:<COLUMN$}{}", reaction(played)), WIDTH);
    format!("{}{}", line.trim_end(), different(differs))
}

pub(crate) fn different(differs: &str) -> String {
    if differs.is_empty() { String::new() } else { format!("\n  ^^^ DIFFERENT: {}", clean(differs)) }
}

/// A story without its middle: its name, two callbacks, how many are left out, and the last one.
fn shortened(story: &[String]) -> Vec<String> {
    match story {
        [name, first, second, middle @ .., last] if middle.len() >= 2 => {
            let left_out = format!("  … and {} more callbacks", middle.len());
            vec![name.clone(), first.clone(), second.clone(), left_out, last.clone()]
        }
        story => story.to_vec(),
    }
}

/// What Ringback did about one callback, or about each message of a batch.
fn reaction(played: &Played) -> String {
    if played.answer.status != Some(200) {
        return format!("refused: {}", refusal(played));
    }
    let rings: Vec<_> = played.rings.iter().filter(|ring| ring.status == 200).collect();
    if let (Some(ring), Some(job)) = (rings.first(), played.jobs.first()) {
        let unchanged = rings.iter().all(|ring| ring.job.get("cc_param") == job.get("cc_param"));
        return format!("{}, cc_param {}", ring_line(ring), if unchanged { "unchanged" } else { "CHANGED" });
    }
    if let Some(job) = played.jobs.first() {
        let people = ["app_callee_uid", "app_caller_uid"].map(|name| text(job, name));
        return format!("push job for {}: {} call from {}", people[0], media(job), people[1]);
    }
    played.handled.iter().map(handled).collect::<Vec<_>>().join("; ")
}

fn handled(handled: &Handled) -> String {
    let outcome = if handled.outcome == "duplicate" { "known already" } else { &handled.outcome };
    let how = handled.call.as_ref().map_or_else(|| clean(&handled.reason), state);
    if how.is_empty() { clean(outcome) } else { format!("{}: {how}", clean(outcome)) }
}

/// The status of an answer, the function's own word, and what the answer's body says.
fn refusal(played: &Played) -> String {
    let Some(status) = played.answer.status else { return clean(&played.answer.body) };
    let outcome = played.handled.first().map_or("", |handled| handled.outcome.as_str());
    let body: Value = serde_json::from_str(&played.answer.body).unwrap_or_default();
    let names = ["error", "ErrorInfo", "message", "errorMessage", "field"];
    let said = names.map(|name| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()));
    let said = said.into_iter().flatten().collect::<Vec<_>>().join(": ");
    // A body often begins with the function's own word.
    let why = match (outcome, said.as_str()) {
        ("", said) => said.to_owned(),
        (outcome, "") => outcome.to_owned(),
        (outcome, said) if said.starts_with(outcome) => said.to_owned(),
        (outcome, said) => format!("{outcome}: {said}"),
    };
    clean(format!("{status} {why}").trim_end())
}

/// Text from outside, without terminal control characters.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|each| if each.is_control() { '?' } else { each }).collect()
}

/// The beginning of a secret and its length: never more than a quarter of it.
fn shorten(secret: &str) -> String {
    let length = secret.chars().count();
    format!("{}… ({length} characters)", clean(&cut(secret, SHOWN.min(length / 4))))
}

fn cut(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).map_or_else(|| "?".to_owned(), clean)
}

/// What a push job rings for.
fn media(job: &Value) -> &'static str {
    match job.get("app_call_type").and_then(Value::as_str) {
        Some("A") => "audio",
        Some("V") => "video",
        _ => "unknown",
    }
}

/// A phone that rings, or that did not take its push.
pub(crate) fn ring_line(ring: &Ring) -> String {
    let does =
        if ring.status == 200 { "rings".to_owned() } else { format!("does not ring ({})", ring.status) };
    format!("{} {does}: {}, {}", clean(&ring.phone), text(&ring.job, "app_caller_uid"), media(&ring.job))
}

/// A push job.
pub(crate) fn job_line(job: &Value) -> String {
    let person = |user: &str, service: &str| user_at(&job[user], &job[service]);
    let callee = person("app_callee_uid", "app_callee_sid");
    let caller = person("app_caller_uid", "app_caller_sid");
    let expires = job["expires_at"].as_str().and_then(|seconds| seconds.parse::<i64>().ok());
    let until =
        expires.and_then(date).map_or("?".to_owned(), |date| date.get(11..19).unwrap_or("?").to_owned());
    let secret = shorten(job["cc_param"].as_str().unwrap_or_default());
    let line =
        format!("push job for {callee}: {} call from {caller}, cc_param {secret}, until {until}", media(job));
    job["dropped"].as_str().map_or(line.clone(), |dropped| format!("{line}, without {}", clean(dropped)))
}

/// A call item: kind, media, people, status, times.
pub(crate) fn call_line(call: &Value) -> String {
    let media = call["media"].as_str().filter(|media| ["audio", "video"].contains(media));
    let kind = [Some(call["kind"].as_str().unwrap_or("?")), media, Some("call")];
    let mut parts = vec![kind.into_iter().flatten().collect::<Vec<_>>().join(" ")];
    if let Some(room) = call.get("room") {
        parts.push(format!("room {}", user_at(&room["id"], &room["service_id"])));
    }
    parts.extend(call.get("host").map(|host| format!("host {}", person(host))));
    let callees = call["callees"].as_array().cloned();
    let people: Vec<Value> =
        callees.or(call.get("callee").map(|callee| vec![callee.clone()])).unwrap_or_default();
    if call.get("caller").is_some() || !people.is_empty() {
        let caller = call.get("caller").map_or("?".to_owned(), person);
        let people: Vec<_> = people.iter().map(person).collect();
        let callees = if people.is_empty() { "?".to_owned() } else { people.join(", ") };
        parts.push(format!("{caller} -> {callees}"));
    }
    parts.push(state(call));
    let times = ["started_at", "setup_at", "ended_at", "last_event_at"];
    parts.extend(times.into_iter().find_map(|name| call[name].as_i64()).map(|milliseconds| {
        date(milliseconds / 1_000).map_or(format!("at {milliseconds} ms"), |date| {
            format!("{} UTC", date.replace('T', " ").trim_end_matches('Z'))
        })
    }));
    clean(&parts.join(", "))
}

/// The status of a call.
pub(crate) fn state(call: &Value) -> String {
    let outcome = call["outcome"].as_str();
    let mut parts = vec![outcome.or(call["status"].as_str()).unwrap_or("?").to_owned()];
    parts.extend(
        call["duration_s"].as_u64().filter(|it| *it > 0).map(|seconds| format!("talked {seconds} s")),
    );
    parts.extend(
        call["online"].as_u64().filter(|_| outcome.is_none()).map(|online| format!("{online} online")),
    );
    parts.extend(call["released_by"].as_str().map(|by| format!("ended by {}", by.replace('_', " "))));
    clean(&parts.join(", "))
}

fn person(person: &Value) -> String {
    user_at(&person["user_id"], &person["service_id"])
}

fn user_at(user: &Value, service: &Value) -> String {
    let user = user.as_str().unwrap_or("?");
    clean(&service.as_str().map_or(user.to_owned(), |service| format!("{user}@{service}")))
}

/// `2026-11-05T11:46:06Z`
fn date(seconds: i64) -> Option<String> {
    DateTime::from_secs(seconds).fmt(Format::DateTime).ok()
}

/// One callback, one replayed message or one request to the registry, that came while the stack serves.
pub(crate) fn log_line(fields: &Value, became: &str) -> String {
    let word = |name: &str| fields.get(name).and_then(Value::as_str).map(clean);
    let what = match fields["message"].as_str() {
        Some("replay") => "(from the spool)".to_owned(),
        Some("device") => "(devices)".to_owned(),
        Some("history") => "(history)".to_owned(),
        _ => word("callback").unwrap_or_else(|| "?".to_owned()),
    };
    let outcome = word("outcome").unwrap_or_else(|| "?".to_owned());
    let became = match outcome.as_str() {
        "deferred" => "not stored: waits in the spool until replay writes it",
        "dead_letter" => "is with the dead letters now; `ringback replay` brings it back",
        "back_to_the_queue" => "comes again",
        _ => became,
    };
    let said = [word("reason").unwrap_or_default(), became.to_owned()];
    let said = said.into_iter().filter(|each| !each.is_empty()).collect::<Vec<_>>().join(": ");
    let time = word("timestamp").and_then(|time| time.get(11..19).map(str::to_owned)).unwrap_or_default();
    let status = fields.get("status").map(ToString::to_string).unwrap_or_default();
    let latency = fields.get("latency_ms").map(|ms| format!("{ms} ms")).unwrap_or_default();
    format!("{time}  {what:<19} {status:<3} {outcome:<13} {latency:>9}  {said}").trim_end().to_owned()
}

#[cfg(test)]
mod tests;
