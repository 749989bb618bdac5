//! Tencent: one URL for every call callback of both generations of TUICallKit, all POST with a JSON
//! body.
//!
//! The older generation (`caller_start_call` and its siblings, and the status family) reports each
//! participant; the current one (`Call.Callback…`) reports the room. The generation is read from
//! the body first and the command second, because the vendor's own samples have commands that are
//! in no list.

pub mod codes;
pub mod current;
pub mod older;
pub mod signature;
mod vendor;

pub use vendor::{CALL_EVENT, TENCENT};

use crate::call::model::{Media, Moment, Personal, ReleaseCode, Room, SessionId};
use crate::call::record::{Received, Record};
use crate::call::{CALL_RESULT, CallFacts, Claim, Source};
use crate::door::{self, access::Verified};
use crate::text::bounds::keepable;
use crate::text::json::{Json, without_byte_order_mark};
use crate::text::query::Parameters;
use crate::text::refusal::Refusal;

pub const CALLBACK: door::callback::Callback = door::callback::Callback { route: &CALL_EVENT, read };

/// Query parameters that differ between deliveries of one callback.
fn belongs_to_the_delivery(name: &str) -> bool {
    matches!(name, "Sign" | "RequestTime")
}

/// What a call callback says, before it becomes a record.
struct Story {
    what: String,
    who: Option<String>,
    at: Option<Moment>,
    call: CallFacts,
}

/// A callback with a known session, and what both generations read from it.
struct Callback<'a> {
    command: &'a str,
    app: Option<&'a str>,
    body: &'a Json,
}

impl<'a> Callback<'a> {
    /// A member of the body, or of the object in which the current generation wraps a call.
    fn member(&self, name: &str) -> Option<&'a Json> {
        let wrapped = ["CallInfo", "CallRecord"].iter().filter_map(|wrapper| self.body.member(wrapper));
        std::iter::once(self.body).chain(wrapped).find_map(|object| object.member(name))
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.member(name).and_then(short_text)
    }

    fn moment(&self, name: &str) -> Option<Moment> {
        self.text(name).and_then(Moment::parse)
    }

    /// What any callback of either generation may say about the call. `weight` is how good its
    /// source is for the result.
    fn common(&self, at: Option<Moment>, weight: Source) -> CallFacts {
        let call_result = self.text("CallResult").map(|word| ReleaseCode::Word(Personal::new(word)));
        CallFacts {
            kind: self
                .text("CallType")
                .and_then(codes::kind)
                .map(|kind| Claim::new(Source::Stated, at, kind)),
            media: self.media().map(|media| Claim::new(Source::Stated, at, media)),
            service: self.app.map(|app| Claim::new(Source::Stated, at, app.to_owned())),
            room: self.text("RoomId").and_then(|room| {
                Room::new(self.app, Some(room)).map(|room| Claim::new(Source::Stated, at, room))
            }),
            outcome: self
                .text("CallResult")
                .and_then(codes::outcome_of_result)
                .map(|outcome| Claim::new(weight, at, outcome)),
            release_is_shown_by_results: true,
            reason: call_result
                .map(|word| (CALL_RESULT.to_owned(), Claim::new(weight, at, word)))
                .into_iter()
                .collect(),
            last_event: at,
            ..CallFacts::default()
        }
    }

    fn media(&self) -> Option<Media> {
        self.text("MediaType").or_else(|| self.text("CallMediaType")).and_then(codes::media)
    }
}

/// A string or a number that fits a call item.
fn short_text(json: &Json) -> Option<&str> {
    json.scalar().and_then(keepable)
}

/// Reads a callback. `None` if it is not a call callback: the console's URL check, or another
/// product's event.
///
/// # Errors
/// [`Refusal::NotJson`], [`Refusal::TooLong`], and for a call callback [`Refusal::MissingField`] or
/// [`Refusal::UnusableField`] with `CallId`.
pub fn read(request: &Verified) -> Result<Option<Record>, Refusal> {
    if without_byte_order_mark(request.body()).trim().is_empty() {
        return Ok(None);
    }
    let body = Json::parse(request.body())?;
    let parameters = request.parameters();
    let command = command(parameters, &body);
    let Some(session) = session(&body)? else {
        let lost = !body.members().is_empty() && is_call_callback(command, &body);
        return if lost { Err(Refusal::MissingField("CallId")) } else { Ok(None) };
    };
    let app =
        parameters.values(vendor::names_an_app).flatten().filter_map(keepable).find(|app| !app.is_empty());
    let callback = Callback { command, app, body: &body };
    let story = if current::speaks_it(&callback) { current::read(&callback) } else { older::read(&callback) };
    Ok(Some(Record {
        session,
        origin: request.route().origin(),
        what: story.what,
        who: story.who.and_then(|user| crate::call::model::Person::new(app, Some(&user))),
        at: story.at,
        received: Received::from_parameters(parameters, belongs_to_the_delivery).with_members(&body),
        call: story.call,
    }))
}

fn command<'a>(parameters: &'a Parameters, body: &'a Json) -> &'a str {
    let names_it =
        |name: &str| name.eq_ignore_ascii_case("command") || name.eq_ignore_ascii_case("CallbackCommand");
    let in_query = parameters.values(names_it).flatten().find(|command| !command.is_empty());
    let in_body = || body.member("CallbackCommand").or_else(|| body.member("command")).and_then(Json::scalar);
    in_query.or_else(in_body).unwrap_or_default()
}

fn session(body: &Json) -> Result<Option<SessionId>, Refusal> {
    let wrapped = ["CallInfo", "CallRecord"].iter().filter_map(|wrapper| body.member(wrapper));
    let mut sent = std::iter::once(body)
        .chain(wrapped)
        .flat_map(|object| object.members_named("CallId"))
        .map(Json::scalar);
    let Some(first) = sent.next() else { return Ok(None) };
    // Two different ids: either one could be the wrong call.
    if sent.any(|other| other != first) {
        return Err(Refusal::UnusableField("CallId"));
    }
    first.and_then(SessionId::parse).map(Some).ok_or(Refusal::UnusableField("CallId"))
}

fn is_call_callback(command: &str, body: &Json) -> bool {
    if command.is_empty() {
        ["CallInfo", "CallRecord", "CallResult", "Event"].iter().any(|name| body.member(name).is_some())
    } else {
        codes::is_call_command(command)
    }
}
