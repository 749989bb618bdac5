//! The line of a request, both log and metrics (docs/contracts.md). Of what was sent, it holds only
//! the session id, seconds of talk, and, for known URLs, X-Ray's trace id.

use std::time::Duration;

use crate::call::{CallEnd, model::SessionId};
use crate::door::route::Route;
use crate::lambda::metrics::{LogLine, Unit};
use crate::lambda::outcome::{CallbackOutcome, OutcomeDetails};
use crate::lambda::replay::ReplayedMessage;
use crate::lambda::trace_id::TraceId;
use crate::ring::device::Provider;
use crate::text::refusal::Refusal;

/// Dimensions of the metrics.
const BY_PROVIDER: &[&str] = &["provider"];
const BY_CALLBACK: &[&str] = &["provider", "callback"];
const BY_CALLBACK_OUTCOME: &[&str] = &["provider", "callback", "outcome"];
const BY_CALL_OUTCOME: &[&str] = &["provider", "call_outcome"];
const BY_OUTCOME: &[&str] = &["outcome"];

/// What the log says about how a request was handled.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// From the event's arrival to the answer.
    pub took: Duration,
    /// The first request of its environment.
    pub cold: bool,
    pub status: u16,
    pub trace: Option<TraceId>,
}

/// The line of a request.
pub fn request_line(route: &Route, details: &OutcomeDetails, context: &RequestContext) -> LogLine {
    let OutcomeDetails { outcome, session, ended, waits, ring } = details;
    let answered = match context.status {
        ..400 => "accepted",
        400..500 => "refused",
        500.. => "failed",
    };
    let mut line = LogLine::default();
    line.dimension("provider", Some(route.vendor.name));
    line.dimension("callback", Some(route.callback));
    line.dimension("outcome", Some(outcome.code()));
    line.detail("status", Some(context.status));
    line.detail("field", outcome.field());
    line.detail("error", outcome.error());
    line.detail("sid", session.as_ref().map(SessionId::as_str));
    line.detail("duplicate", Some(matches!(outcome, CallbackOutcome::Duplicate)));
    line.detail("cold", Some(context.cold));
    // Callers can set the trace header, so it is logged only for known URLs.
    let known =
        context.trace.as_ref().filter(|_| !matches!(outcome, CallbackOutcome::Refused(Refusal::UnknownUrl)));
    line.detail("xray_trace_id", known.map(|trace| trace.as_str()));
    line.metric("latency_ms", Unit::Milliseconds, BY_CALLBACK, Some(milliseconds(context.took)));
    line.metric("store_ms", Unit::Milliseconds, BY_CALLBACK, waits.store.map(milliseconds));
    line.metric("publish_ms", Unit::Milliseconds, BY_CALLBACK, waits.publish.map(milliseconds));
    line.metric("callbacks", Unit::Count, BY_CALLBACK_OUTCOME, Some(1));
    line.metric(answered, Unit::Count, BY_PROVIDER, Some(1));
    line.metric("cold_starts", Unit::Count, BY_CALLBACK, context.cold.then_some(1));
    call_end(&mut line, *ended);
    if let Some(ring) = ring {
        let is = |code: &str| u64::from(outcome.code() == code);
        line.metric("rung", Unit::Count, BY_PROVIDER, Some(is("rung")));
        line.metric("no_device", Unit::Count, BY_PROVIDER, Some(is("no_device")));
        line.metric("dead_devices", Unit::Count, BY_PROVIDER, Some(ring.dead_devices));
        line.metric("provider_refused_us", Unit::Count, BY_PROVIDER, Some(ring.refusals));
    }
    line
}

/// A line for each provider that pushes were sent to: the metrics of one line have one `provider`.
pub fn push_lines(details: &OutcomeDetails) -> Vec<LogLine> {
    let Some(ring) = &details.ring else { return Vec::new() };
    let push_line = |(provider, took): &(Provider, Duration)| {
        let mut line = LogLine::default();
        line.dimension("provider", Some(provider.as_str()));
        line.detail("sid", details.session.as_ref().map(SessionId::as_str));
        line.metric("push_ms", Unit::Milliseconds, BY_PROVIDER, Some(milliseconds(*took)));
        line
    };
    ring.took.iter().map(push_line).collect()
}

/// The line of a message of the spool.
pub fn replay_line(message: &ReplayedMessage, trace: Option<&TraceId>) -> LogLine {
    let mut line = LogLine::default();
    line.dimension("provider", message.origin.map(|origin| origin.provider));
    line.dimension("callback", message.origin.map(|origin| origin.callback));
    line.dimension("outcome", Some(message.outcome.code()));
    line.detail("reason", message.outcome.reason());
    line.detail("error", message.error.as_deref());
    line.detail("sid", message.session.as_ref().map(SessionId::as_str));
    line.detail("xray_trace_id", trace.map(|trace| trace.as_str()));
    line.metric("replayed", Unit::Count, BY_OUTCOME, Some(1));
    call_end(&mut line, message.ended);
    line
}

fn call_end(line: &mut LogLine, ended: Option<CallEnd>) {
    line.dimension("call_outcome", ended.map(|end| end.outcome.as_str()));
    line.metric("calls_ended", Unit::Count, BY_CALL_OUTCOME, ended.map(|_| 1));
    line.metric("talk_seconds", Unit::Seconds, BY_PROVIDER, ended.map(|end| end.talk_seconds));
}

/// Rounded to 10 µs.
pub(crate) fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e5).round() / 1e2
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use tracing::Level;

    use super::*;
    use crate::aws::{Failure, Service, store::StoreError};
    use crate::call::model::{Arrival, Outcome};
    use crate::lambda::logging::{Log, LogControls};
    use crate::lambda::metrics::Namespace;
    use crate::lambda::outcome::Waits;
    use crate::line;

    const AT: Arrival = Arrival { milliseconds: 1_793_600_000_123 };

    fn ended_call() -> LogLine {
        let details = OutcomeDetails {
            outcome: CallbackOutcome::Recorded,
            session: SessionId::parse("a-session"),
            ended: Some(CallEnd { outcome: Outcome::Answered, talk_seconds: 30 }),
            waits: Waits { store: Some(Duration::from_millis(7)), publish: None },
            ring: None,
        };
        let trace = TraceId::from_header("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1");
        let context = RequestContext { took: Duration::from_micros(7_654), cold: true, status: 200, trace };
        request_line(&line::CALL_EVENT, &details, &context)
    }

    fn log(level: Option<&str>, format: Option<&str>) -> Log {
        Log::new(LogControls::parse(level, format), Namespace::parse("Ringback/prod").unwrap())
    }

    fn said(level: Option<&str>, format: Option<&str>) -> Vec<String> {
        log(level, format).lines("callback", Level::INFO, ended_call(), AT)
    }

    fn read(line: &str) -> Value {
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn a_request_is_one_line_with_all_that_is_known_of_it() {
        let lines = said(None, Some("JSON"));
        let begins = concat!(
            r#"{"timestamp":"2026-11-02T06:13:20.123Z","level":"INFO","message":"callback","#,
            r#""provider":"line","callback":"call_event","outcome":"recorded","status":200,"#,
            r#""sid":"a-session","duplicate":false,"cold":true,"#,
            r#""xray_trace_id":"1-5759e988-bd862e3fe1be46a994272793","latency_ms":7.65,"store_ms":7.0,"#,
            r#""callbacks":1,"accepted":1,"cold_starts":1,"call_outcome":"answered","calls_ended":1,"#,
            r#""talk_seconds":30,"_aws":"#,
        );
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with(begins), "{}", lines[0]);
        assert_eq!(read(&lines[0])["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Ringback/prod");
    }

    #[test]
    fn a_quieter_log_keeps_the_metrics_at_a_level_that_lambda_lets_through() {
        for level in ["WARN", "error", "FATAL"] {
            let lines = said(Some(level), None);
            let line = read(&lines[0]);
            assert_eq!((lines.len(), line["level"].as_str()), (1, Some(level.to_ascii_uppercase().as_str())));
            assert_eq!(line["timestamp"], "2026-11-02T06:13:20.123Z");
            assert_eq!(
                (line["callbacks"].as_u64(), line.get("sid"), line.get("message")),
                (Some(1), None, None)
            );
            assert_eq!(line["_aws"], read(&said(None, None)[0])["_aws"]);
        }
        assert_eq!(said(Some("nonsense"), None), said(None, None));
    }

    #[test]
    fn a_quieter_log_still_reports_failures_in_full() {
        let not_published = || Failure::TooSlow(Service::Sns);
        let not_stored = || StoreError::Aws(Failure::TooSlow(Service::DynamoDb));
        let said = |outcome: CallbackOutcome, level| {
            let details = OutcomeDetails { session: SessionId::parse("a-session"), ..outcome.into() };
            let context = RequestContext { took: Duration::ZERO, cold: false, status: 503, trace: None };
            let line = request_line(&line::NOTIFY, &details, &context);
            read(&log(Some(level), None).lines("callback", details.outcome.level(), line, AT)[0])
        };
        let lost = || CallbackOutcome::NotStored(not_stored(), not_published());
        for (outcome, level, whole) in [
            (CallbackOutcome::NotPublished(not_published()), "ERROR", true),
            (lost(), "ERROR", true),
            (CallbackOutcome::Panicked, "ERROR", true),
            (lost(), "FATAL", false),
            (CallbackOutcome::Deferred(not_stored()), "WARN", true),
            (CallbackOutcome::Deferred(not_stored()), "ERROR", false),
            (CallbackOutcome::Recorded, "WARN", false),
        ] {
            let line = said(outcome, level);
            assert_eq!(line.get("sid").is_some(), whole, "{level}: {line}");
        }
        let line = said(lost(), "WARN");
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["error"], "DynamoDB did not answer in time; SNS did not answer in time");
    }

    #[test]
    fn a_request_that_does_not_know_the_url_leaves_no_trace_id() {
        let trace = || TraceId::from_header("Root=1-5759e988-bd862e3fe1be46a994272793");
        let named = |refusal| {
            let context = RequestContext { took: Duration::ZERO, cold: false, status: 404, trace: trace() };
            let line = request_line(&line::NOTIFY, &CallbackOutcome::Refused(refusal).into(), &context);
            line.fields().any(|(name, _)| name == "xray_trace_id")
        };
        assert!(!named(Refusal::UnknownUrl));
        assert!(named(Refusal::NotOurs));
    }

    #[test]
    fn in_plain_text_the_metrics_are_a_line_of_their_own() {
        let lines = said(None, Some("Text"));
        assert_eq!(lines.len(), 2);
        assert!(
            lines[0].starts_with(
                r#"2026-11-02T06:13:20.123Z  INFO callback provider="line" callback="call_event""#
            ),
            "{}",
            lines[0]
        );
        assert_eq!(read(&lines[1])["calls_ended"], 1);
        assert_eq!(said(Some("WARN"), Some("Text")).len(), 1);
    }

    #[test]
    fn every_status_is_accepted_refused_or_failed() {
        for (status, word) in
            [(200, "accepted"), (400, "refused"), (405, "refused"), (500, "failed"), (503, "failed")]
        {
            let context = RequestContext { took: Duration::ZERO, cold: false, status, trace: None };
            let line = request_line(&line::NOTIFY, &CallbackOutcome::Ignored.into(), &context);
            let counted = line.fields().filter(|(name, _)| ["accepted", "refused", "failed"].contains(name));
            assert_eq!(counted.map(|(name, _)| name).collect::<Vec<_>>(), [word]);
        }
    }
}
