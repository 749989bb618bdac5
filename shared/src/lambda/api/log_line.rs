//! The line of a request to an HTTP API, both log and metrics (docs/contracts.md). Of what was sent it holds
//! nothing but, for known addresses, X-Ray's trace id.

use crate::lambda::api::HandledRequest;
use crate::lambda::metrics::{LogLine, Unit};
use crate::lambda::request_line::{RequestContext, milliseconds};

const BY_OUTCOME: &[&str] = &["outcome"];
const BY_OPERATION: &[&str] = &["operation"];

/// The line of a request.
pub fn log_line<H: HandledRequest>(handled: &H, context: &RequestContext) -> LogLine {
    let (route, operation) = handled.asked().unzip();
    let mut line = LogLine::default();
    line.dimension("operation", Some(operation.unwrap_or("unknown")));
    line.dimension("outcome", Some(handled.code()));
    line.detail("route", route);
    line.detail("status", Some(context.status));
    line.detail(H::WORDS.part, handled.refused_part());
    line.detail("error", handled.error());
    line.detail("cold", Some(context.cold));
    // Callers can set the trace header, so it is logged only for known addresses.
    line.detail("xray_trace_id", context.trace.as_ref().filter(|_| route.is_some()).map(|id| id.as_str()));
    line.metric(H::WORDS.duration, Unit::Milliseconds, BY_OPERATION, Some(milliseconds(context.took)));
    line.metric(H::WORDS.count, Unit::Count, BY_OUTCOME, Some(1));
    line
}
