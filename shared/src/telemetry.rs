//! What a function says: one line of JSON for each request, and lines for what broke. Nothing that was sent is ever in them but the session id.

use std::panic;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Environment;
use crate::model::{Provider, SessionId};
use crate::outcome::{CallbackOutcome, Handled};
use crate::route::Route;

/// Starts logging at `AWS_LAMBDA_LOG_LEVEL`. Other crates are held at `WARN`: on their talkative levels they print requests.
pub fn start(environment: &Environment) {
    let level = environment
        .optional("AWS_LAMBDA_LOG_LEVEL")
        .and_then(|word| word.parse::<LevelFilter>().ok())
        .unwrap_or(LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_current_span(false)
        .with_span_list(false);
    let talk = Targets::new().with_default(LevelFilter::WARN.min(level)).with_target(env!("CARGO_PKG_NAME"), level);
    // A second start in one process (tests) keeps the first.
    let _ = tracing_subscriber::registry().with(lines).with(talk).try_init();
    // The default hook prints the panic's message, which may quote what was sent.
    panic::set_hook(Box::new(|panic| {
        let (file, line) = panic.location().map_or(("unknown", 0), |location| (location.file(), location.line()));
        tracing::error!(file, line, "panic");
    }));
}

/// A request's place in the life of its environment and what it took.
#[derive(Clone, Copy, Debug)]
pub struct Handling {
    /// From the event's arrival to the answer.
    pub took: Duration,
    /// The first request of this environment.
    pub cold: bool,
    /// The HTTP status of the answer.
    pub status: u16,
}

/// Writes the one line of a request.
pub fn request_line(route: &Route, handled: &Handled, handling: Handling) {
    let provider = match route.provider {
        Provider::Line => "line",
        Provider::Tencent => "tencent",
    };
    let latency_ms = (handling.took.as_secs_f64() * 1e5).round() / 1e2;
    tracing::info!(
        provider,
        callback = route.callback,
        outcome = handled.outcome.word(),
        status = handling.status,
        sid = handled.session.as_ref().map(SessionId::as_str),
        latency_ms,
        cold = handling.cold,
        "callback"
    );
    match &handled.outcome {
        CallbackOutcome::Deferred(error) => tracing::warn!(%error, "record spooled"),
        CallbackOutcome::NotStored(error, spool) => {
            tracing::error!(%error, %spool, "record neither stored nor spooled")
        }
        CallbackOutcome::NotPublished(error) => tracing::error!(%error, "push job not published"),
        _ => {}
    }
}
