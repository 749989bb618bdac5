//! The line of a request for calls, both log and metrics (docs/contracts.md). It names no user, no room and no
//! call.

use crate::lambda::history::Handled;
use crate::lambda::metrics::{LogLine, Unit};
use crate::lambda::request_line::{RequestContext, milliseconds};

const BY_OUTCOME: &[&str] = &["outcome"];
const BY_OPERATION: &[&str] = &["operation"];

/// The line of a request.
pub fn log_line(handled: &Handled, context: &RequestContext) -> LogLine {
    let Handled { route, outcome } = handled;
    let mut line = LogLine::default();
    line.dimension("operation", Some(route.map_or("unknown", |route| route.operation())));
    line.dimension("outcome", Some(outcome.code()));
    line.detail("route", route.map(|route| route.template()));
    line.detail("status", Some(context.status));
    line.detail("parameter", outcome.parameter());
    line.detail("error", outcome.error());
    line.detail("cold", Some(context.cold));
    // Callers can set the trace header, so it is logged only for known addresses.
    line.detail("xray_trace_id", context.trace.as_ref().filter(|_| route.is_some()).map(|id| id.as_str()));
    line.metric("history_request_ms", Unit::Milliseconds, BY_OPERATION, Some(milliseconds(context.took)));
    line.metric("history_requests", Unit::Count, BY_OUTCOME, Some(1));
    line
}
