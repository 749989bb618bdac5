//! What a function says: for each request one line of JSON, which is the log's and CloudWatch's metrics in one. Nothing that was sent is ever in it but the session
//! id, seconds of talk, and of a request that knew the URL X-Ray's id of it, which a caller can choose.
//!
//! | metric | unit | by | |
//! |---|---|---|---|
//! | `callbacks` | Count | provider, callback, outcome | one a request |
//! | `accepted`, `refused`, `failed` | Count | provider | one of the three a request, by the status of its answer: 200, 4xx, 5xx |
//! | `latency_ms` | Milliseconds | provider, callback | from the event's arrival to the answer |
//! | `store_ms` | Milliseconds | provider, callback | writing a record into the table, or trying to |
//! | `publish_ms` | Milliseconds | provider, callback | publishing a push job, or a record into the spool, or trying to |
//! | `cold_starts` | Count | provider, callback | the first request of an environment |
//! | `calls_ended` | Count | provider, call_outcome | a call's record came to say that it is over |
//! | `talk_seconds` | Seconds | provider | how long such a call was talked |
//! | `replayed` | Count | outcome | a message of the spool |

use std::io::{Write, stdout};
use std::panic;
use std::time::Duration;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::call::CallEnd;
use crate::config::{ConfigError, Environment};
use crate::metrics::{Line, Unit};
use crate::model::{Arrival, SessionId};
use crate::outcome::{CallbackOutcome, Handled, Level};
use crate::refusal::Refusal;
use crate::replay::ReplayedMessage;
use crate::route::Route;

/// Which fields metrics are told apart by.
const BY_PROVIDER: &[&str] = &["provider"];
const BY_CALLBACK: &[&str] = &["provider", "callback"];
const BY_CALLBACK_OUTCOME: &[&str] = &["provider", "callback", "outcome"];
const BY_CALL_OUTCOME: &[&str] = &["provider", "call_outcome"];
const BY_OUTCOME: &[&str] = &["outcome"];

/// How talkative Lambda's log controls want a function to be.
#[derive(Clone, Debug)]
struct LogControls {
    level: LevelFilter,
    level_word: String,
    json: bool,
}

impl LogControls {
    /// `AWS_LAMBDA_LOG_LEVEL` and `AWS_LAMBDA_LOG_FORMAT`, which Lambda sets from a function's logging configuration. A level that is none is `INFO`.
    fn of(environment: &Environment) -> Self {
        let word = environment.optional("AWS_LAMBDA_LOG_LEVEL").map(|word| word.to_ascii_uppercase());
        // Lambda knows a level above the highest here, and drops all others then.
        let known = word.and_then(|word| {
            let level = if word == "FATAL" { LevelFilter::OFF } else { word.parse().ok()? };
            Some((level, word))
        });
        let (level, level_word) = known.unwrap_or_else(|| (LevelFilter::INFO, "INFO".to_owned()));
        let json = environment.optional("AWS_LAMBDA_LOG_FORMAT").is_none_or(|word| !word.eq_ignore_ascii_case("text"));
        Self { level, level_word, json }
    }
}

/// Where a function's lines go.
#[derive(Clone, Debug)]
pub struct Telemetry {
    namespace: String,
    controls: LogControls,
}

/// Starts logging as Lambda's log controls say. Other crates are held at `WARN`: on their talkative levels they print requests.
pub fn start(environment: &Environment) {
    let LogControls { level, json, .. } = LogControls::of(environment);
    let plain = tracing_subscriber::fmt::layer().with_target(false);
    let lines = if json {
        plain.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
    } else {
        plain.with_ansi(false).boxed()
    };
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
#[derive(Clone, Debug)]
pub struct Handling {
    /// From the event's arrival to the answer.
    pub took: Duration,
    /// The first request of this environment.
    pub cold: bool,
    /// The HTTP status of the answer.
    pub status: u16,
    /// Under which X-Ray has the request.
    pub trace: Option<TraceId>,
}

/// X-Ray's id of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceId(String);

impl TraceId {
    /// Reads the `Root` of a trace header: `1-`, 8 hex digits of time, `-`, 24 hex digits (AWS X-Ray, "Concepts"). A caller can send a header of its own, so
    /// that nothing else is taken for an id.
    pub fn of_header(header: &str) -> Option<Self> {
        let root = header.split(';').find_map(|part| part.trim().strip_prefix("Root="))?;
        let (time, rest) = root.strip_prefix("1-")?.split_once('-')?;
        let are_hex =
            |text: &str, digits: usize| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        (are_hex(time, 8) && are_hex(rest, 24)).then(|| Self(root.to_owned()))
    }
}

impl Telemetry {
    /// Lines with metrics in the namespace that the environment names.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn of(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self { namespace: environment.metrics_namespace()?, controls: LogControls::of(environment) })
    }

    /// Writes the line of a request.
    pub fn request(&self, route: &Route, handled: &Handled, handling: &Handling, at: Arrival) {
        self.print("callback", handled.outcome.level(), request_line(route, handled, handling), at);
    }

    /// Writes the line of a message that was replayed.
    pub fn replay(&self, message: &ReplayedMessage, trace: Option<&TraceId>, at: Arrival) {
        self.print("replay", message.outcome.level(), replay_line(message, trace), at);
    }

    fn print(&self, message: &'static str, level: Level, line: Line, at: Arrival) {
        let mut text = self.lines(message, level, line, at).join("\n");
        text.push('\n');
        // One write, so that lines never mix. Where nobody listens there is nobody to tell.
        let _ = stdout().lock().write_all(text.as_bytes());
    }

    /// What is printed: one line that is log and metrics; the metrics alone where the log is to be quieter than the line's level; both apart where it is to be
    /// plain text.
    fn lines(&self, message: &'static str, level: Level, line: Line, at: Arrival) -> Vec<String> {
        let (level, word) = match level {
            Level::Info => (LevelFilter::INFO, "INFO"),
            Level::Warn => (LevelFilter::WARN, "WARN"),
            Level::Error => (LevelFilter::ERROR, "ERROR"),
        };
        let talks = level <= self.controls.level;
        let mut head = Line::default();
        head.detail("timestamp", time_of_day(at));
        if self.controls.json && talks {
            head.detail("level", Some(word));
            head.detail("message", Some(message));
            return vec![head.followed_by(line).in_metric_format(&self.namespace, at)];
        }
        let plain = talks.then(|| in_words(word, message, &line, at));
        // Lambda drops lines below the level that a function is set to, and takes one without time and level for INFO.
        head.detail("level", Some(self.controls.level_word.as_str()));
        let metrics = head.followed_by(line.without_details()).in_metric_format(&self.namespace, at);
        plain.into_iter().chain([metrics]).collect()
    }
}

fn time_of_day(at: Arrival) -> Option<String> {
    DateTime::from_millis(i64::try_from(at.milliseconds).ok()?).fmt(Format::DateTime).ok()
}

fn in_words(level: &str, message: &str, line: &Line, at: Arrival) -> String {
    let fields: String = line.fields().map(|(name, value)| format!(" {name}={value}")).collect();
    format!("{} {level:>5} {message}{fields}", time_of_day(at).unwrap_or_default())
}

fn request_line(route: &Route, handled: &Handled, handling: &Handling) -> Line {
    let Handled { outcome, session, ended, effects } = handled;
    let answered = match handling.status {
        ..400 => "accepted",
        400..500 => "refused",
        500.. => "failed",
    };
    let mut line = Line::default();
    line.dimension("provider", Some(route.provider.word()));
    line.dimension("callback", Some(route.callback));
    line.dimension("outcome", Some(outcome.word()));
    line.detail("status", Some(handling.status));
    line.detail("field", outcome.subject());
    line.detail("error", outcome.error());
    line.detail("sid", session.as_ref().map(SessionId::as_str));
    line.detail("duplicate", Some(matches!(outcome, CallbackOutcome::Duplicate)));
    line.detail("cold", Some(handling.cold));
    // Whoever has no token has no say in the log either: a trace header of one's own is passed on.
    let known = handling.trace.as_ref().filter(|_| !matches!(outcome, CallbackOutcome::Refused(Refusal::UnknownUrl)));
    line.detail("xray_trace_id", known.map(|trace| trace.0.as_str()));
    line.metric("latency_ms", Unit::Milliseconds, BY_CALLBACK, Some(milliseconds(handling.took)));
    line.metric("store_ms", Unit::Milliseconds, BY_CALLBACK, effects.store.map(milliseconds));
    line.metric("publish_ms", Unit::Milliseconds, BY_CALLBACK, effects.publish.map(milliseconds));
    line.metric("callbacks", Unit::Count, BY_CALLBACK_OUTCOME, Some(1));
    line.metric(answered, Unit::Count, BY_PROVIDER, Some(1));
    line.metric("cold_starts", Unit::Count, BY_CALLBACK, handling.cold.then_some(1));
    call_end(&mut line, *ended);
    line
}

fn replay_line(message: &ReplayedMessage, trace: Option<&TraceId>) -> Line {
    let mut line = Line::default();
    line.dimension("provider", message.route.map(|route| route.provider.word()));
    line.dimension("callback", message.route.map(|route| route.callback));
    line.dimension("outcome", Some(message.outcome.word()));
    line.detail("reason", message.outcome.reason());
    line.detail("error", message.error.as_deref());
    line.detail("sid", message.session.as_ref().map(SessionId::as_str));
    line.detail("xray_trace_id", trace.map(|trace| trace.0.as_str()));
    line.metric("replayed", Unit::Count, BY_OUTCOME, Some(1));
    call_end(&mut line, message.ended);
    line
}

fn call_end(line: &mut Line, ended: Option<CallEnd>) {
    line.dimension("call_outcome", ended.map(|end| end.outcome.word()));
    line.metric("calls_ended", Unit::Count, BY_CALL_OUTCOME, ended.map(|_| 1));
    line.metric("talk_seconds", Unit::Seconds, BY_PROVIDER, ended.map(|end| end.talk_seconds));
}

/// To the hundredth, which is as fine as a clock is worth reading.
fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e5).round() / 1e2
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::Outcome;
    use crate::outcome::Effects;
    use crate::publish::PublishError;
    use crate::route;
    use crate::store::StoreError;

    const AT: Arrival = Arrival { milliseconds: 1_793_600_000_123 };

    fn telemetry(variables: &[(&'static str, &'static str)]) -> Telemetry {
        let variables = variables.to_vec();
        let value = move |asked: &str| variables.iter().find(|(name, _)| *name == asked).map(|(_, value)| *value);
        Telemetry::of(&Environment::new(move |asked| value(asked).map(str::to_owned))).unwrap()
    }

    fn ended_call() -> Line {
        let handled = Handled {
            outcome: CallbackOutcome::Recorded,
            session: SessionId::parse("a-session"),
            ended: Some(CallEnd { outcome: Outcome::Answered, talk_seconds: 30 }),
            effects: Effects { store: Some(Duration::from_millis(7)), publish: None },
        };
        let trace = TraceId::of_header("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1");
        let handling = Handling { took: Duration::from_micros(7_654), cold: true, status: 200, trace };
        request_line(&route::CALL_EVENT, &handled, &handling)
    }

    fn said(variables: &[(&'static str, &'static str)]) -> Vec<String> {
        telemetry(variables).lines("callback", Level::Info, ended_call(), AT)
    }

    fn read(line: &str) -> Value {
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn a_request_is_one_line_with_all_that_is_known_of_it() {
        let lines = said(&[("METRICS_NAMESPACE", "Ringback/prod"), ("AWS_LAMBDA_LOG_FORMAT", "JSON")]);
        let begins = r#"{"timestamp":"2026-11-02T06:13:20.123Z","level":"INFO","message":"callback","provider":"line","callback":"call_event","outcome":"recorded","status":200,"sid":"a-session","duplicate":false,"cold":true,"xray_trace_id":"1-5759e988-bd862e3fe1be46a994272793","latency_ms":7.65,"store_ms":7.0,"callbacks":1,"accepted":1,"cold_starts":1,"call_outcome":"answered","calls_ended":1,"talk_seconds":30,"_aws":"#;
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with(begins), "{}", lines[0]);
        assert_eq!(read(&lines[0])["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Ringback/prod");
    }

    #[test]
    fn a_quieter_log_keeps_the_metrics_at_a_level_that_lambda_lets_through() {
        for level in ["WARN", "error", "FATAL"] {
            let lines = said(&[("AWS_LAMBDA_LOG_LEVEL", level)]);
            let line = read(&lines[0]);
            assert_eq!((lines.len(), line["level"].as_str()), (1, Some(level.to_ascii_uppercase().as_str())));
            assert_eq!(line["timestamp"], "2026-11-02T06:13:20.123Z");
            assert_eq!((line["callbacks"].as_u64(), line.get("sid"), line.get("message")), (Some(1), None, None));
            assert_eq!(line["_aws"], read(&said(&[])[0])["_aws"]);
        }
        assert_eq!(said(&[("AWS_LAMBDA_LOG_LEVEL", "nonsense")]), said(&[]));
    }

    #[test]
    fn what_went_wrong_is_told_whole_where_the_log_is_quieter() {
        let error = || PublishError::TooSlow;
        let said = |outcome: CallbackOutcome, level| {
            let handled = Handled { session: SessionId::parse("a-session"), ..outcome.into() };
            let handling = Handling { took: Duration::ZERO, cold: false, status: 503, trace: None };
            let line = request_line(&route::NOTIFY, &handled, &handling);
            let telemetry = telemetry(&[("AWS_LAMBDA_LOG_LEVEL", level)]);
            read(&telemetry.lines("callback", handled.outcome.level(), line, AT)[0])
        };
        let lost = || CallbackOutcome::NotStored(StoreError::TooSlow, error());
        for (outcome, level, told) in [
            (CallbackOutcome::NotPublished(error()), "ERROR", true),
            (lost(), "ERROR", true),
            (CallbackOutcome::Panicked, "ERROR", true),
            (lost(), "FATAL", false),
            (CallbackOutcome::Deferred(StoreError::TooSlow), "WARN", true),
            (CallbackOutcome::Deferred(StoreError::TooSlow), "ERROR", false),
            (CallbackOutcome::Recorded, "WARN", false),
        ] {
            let line = said(outcome, level);
            assert_eq!(line.get("sid").is_some(), told, "{level}: {line}");
        }
        let line = said(lost(), "WARN");
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["error"], "DynamoDB did not answer in time; SNS did not answer in time");
    }

    #[test]
    fn whoever_does_not_know_the_url_leaves_no_trace_id() {
        let trace = || TraceId::of_header("Root=1-5759e988-bd862e3fe1be46a994272793");
        let named = |refusal| {
            let handling = Handling { took: Duration::ZERO, cold: false, status: 404, trace: trace() };
            let line = request_line(&route::NOTIFY, &CallbackOutcome::Refused(refusal).into(), &handling);
            line.fields().any(|(name, _)| name == "xray_trace_id")
        };
        assert!(!named(Refusal::UnknownUrl));
        assert!(named(Refusal::NotOurs));
    }

    #[test]
    fn in_plain_text_the_metrics_are_a_line_of_their_own() {
        let lines = said(&[("AWS_LAMBDA_LOG_FORMAT", "Text")]);
        assert_eq!(lines.len(), 2);
        assert!(
            lines[0].starts_with(r#"2026-11-02T06:13:20.123Z  INFO callback provider="line" callback="call_event""#),
            "{}",
            lines[0]
        );
        assert_eq!(read(&lines[1])["calls_ended"], 1);
        assert_eq!(said(&[("AWS_LAMBDA_LOG_FORMAT", "Text"), ("AWS_LAMBDA_LOG_LEVEL", "WARN")]).len(), 1);
    }

    #[test]
    fn every_status_is_accepted_refused_or_failed() {
        for (status, word) in [(200, "accepted"), (400, "refused"), (405, "refused"), (500, "failed"), (503, "failed")]
        {
            let handling = Handling { took: Duration::ZERO, cold: false, status, trace: None };
            let line = request_line(&route::NOTIFY, &CallbackOutcome::Ignored.into(), &handling);
            let counted = line.fields().filter(|(name, _)| ["accepted", "refused", "failed"].contains(name));
            assert_eq!(counted.map(|(name, _)| name).collect::<Vec<_>>(), [word]);
        }
    }

    #[test]
    fn only_what_is_a_trace_id_is_taken_for_one() {
        let id = "1-5759e988-bd862e3fe1be46a994272793";
        for header in
            [format!("Root={id}"), format!("Parent=53995c3f42cd8ad8; Root={id} ;Sampled=1").replace(" ;", ";")]
        {
            assert_eq!(TraceId::of_header(&header), Some(TraceId(id.to_owned())), "{header}");
        }
        for header in [
            "",
            "Root=",
            "Root=planted",
            &format!("Self={id}"),
            &format!("Root={id}0"),
            "Root=1-5759e988-bd862e3fe1be46a99427279\u{e9}",
        ] {
            assert_eq!(TraceId::of_header(header), None, "{header}");
        }
    }
}
