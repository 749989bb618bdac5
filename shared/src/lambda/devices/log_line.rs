//! The line of a request to the registry, both log and metrics (docs/contracts.md). It names no user,
//! no device and no token.

use crate::lambda::devices::Handled;
use crate::lambda::metrics::{LogLine, Unit};
use crate::lambda::request_line::{RequestContext, milliseconds};

const BY_OUTCOME: &[&str] = &["outcome"];
const BY_OPERATION: &[&str] = &["operation"];

/// The line of a request.
pub fn log_line(handled: &Handled, context: &RequestContext) -> LogLine {
    let Handled { asked, outcome } = handled;
    let (route, operation) = asked.unzip();
    let mut line = LogLine::default();
    line.dimension("operation", Some(operation.map_or("unknown", |operation| operation.as_str())));
    line.dimension("outcome", Some(outcome.code()));
    line.detail("route", route.map(|route| route.template()));
    line.detail("status", Some(context.status));
    line.detail("field", outcome.field());
    line.detail("error", outcome.error());
    line.detail("cold", Some(context.cold));
    // Callers can set the trace header, so it is logged only for known addresses.
    line.detail("xray_trace_id", context.trace.as_ref().filter(|_| asked.is_some()).map(|id| id.as_str()));
    line.metric("device_request_ms", Unit::Milliseconds, BY_OPERATION, Some(milliseconds(context.took)));
    line.metric("device_requests", Unit::Count, BY_OUTCOME, Some(1));
    line
}
