//! LINE Planet: four callbacks, all GET, everything in the query string (LINE Planet, "Callback"
//! pages).
//!
//! Both generations are read in the same way. A field that LINE calls required but leaves out costs
//! that field, not the record.

pub mod agent_call_status;
pub mod call_event;
pub mod group_call_event;
pub mod notify;
pub mod push_job;
pub mod release_reason;
mod vendor;

pub use vendor::{AGENT_CALL_STATUS, CALL_EVENT, GROUP_CALL_EVENT, LINE, NOTIFY};

use std::collections::BTreeMap;

use crate::call::model::{Media, Moment, Person, Personal, ReleaseCode, SessionId};
use crate::call::record::Received;
use crate::call::{CallFacts, Claim, Source};
use crate::text::bounds::{self, keepable};
use crate::text::number;
use crate::text::query::Parameters;
use crate::text::refusal::Refusal;

/// The session id, the one required field.
fn session(parameters: &Parameters) -> Result<SessionId, Refusal> {
    let mut sent = parameters.values(|name| name == "sid").filter(|sid| *sid != Some(""));
    let first = sent.next().ok_or(Refusal::MissingField("sid"))?;
    // Two different ids: either one could be the wrong call.
    if sent.any(|other| other != first) {
        return Err(Refusal::UnusableField("sid"));
    }
    first.and_then(SessionId::parse).ok_or(Refusal::UnusableField("sid"))
}

/// Every parameter except the secret, which no LINE record may hold, in whatever callback it comes.
fn received(parameters: &Parameters) -> Received {
    Received::from_parameters(parameters, |name| matches!(name, "param" | "cc_param"))
}

fn code(parameters: &Parameters, name: &str) -> Option<i64> {
    parameters.text(name).and_then(number::integer)
}

fn count(parameters: &Parameters, name: &str) -> Option<u64> {
    parameters.text(name).and_then(number::whole)
}

fn moment(parameters: &Parameters, name: &str) -> Option<Moment> {
    parameters.text(name).and_then(Moment::parse)
}

/// Text that a call item can hold.
fn short_text<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a str> {
    parameters.text(name).and_then(keepable)
}

fn person(parameters: &Parameters, service: &str, user: &str) -> Option<Person> {
    Person::new(short_text(parameters, service), short_text(parameters, user))
}

/// `A` and `V`, as in `type` and `media_type`.
pub fn media(letter: Option<&str>) -> Option<Media> {
    match letter? {
        "A" | "a" => Some(Media::Audio),
        "V" | "v" => Some(Media::Video),
        _ => None,
    }
}

/// `app_svr_data` carries the same data as the deprecated `stid`; the newer name is preferred.
fn app_data(parameters: &Parameters) -> Option<Personal> {
    let sent = parameters.text("app_svr_data").or_else(|| parameters.text("stid"));
    sent.filter(|data| data.len() <= bounds::APP_DATA_BYTES).map(Personal::new)
}

/// The codes that came, each under its own name: 1001 to 1003 mean different things in two
/// families.
fn reason(parameters: &Parameters, at: Option<Moment>) -> BTreeMap<String, Claim<ReleaseCode>> {
    const INTEGERS: [&str; 5] =
        ["disconnect_reason", "releaser_type", "terminate", "call_end_reason", "rel_code"];
    const WORDS: [&str; 3] = ["rel_code_str", "releaser", "user_rel_code"];
    let integers =
        INTEGERS.iter().filter_map(|name| Some((*name, ReleaseCode::Number(code(parameters, name)?))));
    let words = WORDS
        .iter()
        .filter_map(|name| Some((*name, ReleaseCode::Word(Personal::new(short_text(parameters, name)?)))));
    integers
        .chain(words)
        .map(|(name, code)| (name.to_owned(), Claim::new(Source::Stated, at, code)))
        .collect()
}

/// A value stated by LINE: its servers speak for the whole call.
fn claim<T>(at: Option<Moment>, value: Option<T>) -> Option<Claim<T>> {
    value.map(|value| Claim::new(Source::Stated, at, value))
}

/// The times that both kinds of call event carry.
fn times(parameters: &Parameters) -> CallFacts {
    CallFacts {
        setup: claim(None, moment(parameters, "setup_time").map(std::cmp::Reverse)),
        started: claim(None, moment(parameters, "start_time").map(std::cmp::Reverse)),
        ended: claim(None, moment(parameters, "end_time")),
        ..CallFacts::default()
    }
}

/// When an event happened: the latest of the call's own times.
fn latest_time(parameters: &Parameters) -> Option<Moment> {
    ["end_time", "start_time", "setup_time"].iter().find_map(|name| moment(parameters, name))
}
