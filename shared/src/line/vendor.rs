//! LINE at the gate: its routes, service ids and answers.

use serde_json::json;

use crate::door::route::Route;
use crate::door::vendor::{Variable, Vendor, Verdict, ids_in_query};

pub static LINE: Vendor = Vendor {
    name: "line",
    ids_variable: Variable {
        name: "LINE_SERVICE_IDS",
        expected: "service ids separated by commas, or the word any",
    },
    sources_variable: "LINE_SOURCE_CIDRS",
    ids: |request| ids_in_query(request, names_a_service),
    // LINE leaves required fields out in practice; an absent service id costs only itself.
    may_name_none: |_| true,
    signature: None,
    body,
};

/// An incoming call; ring the callee.
pub static NOTIFY: Route = route("notify", "/line/notify_cb");
/// A one-to-one call ended.
pub static CALL_EVENT: Route = route("call_event", "/line/call_event");
/// A participant of a group call came, went or changed.
pub static GROUP_CALL_EVENT: Route = route("group_call_event", "/line/gcall_event");
/// A call made by the server reached the callee, or not.
pub static AGENT_CALL_STATUS: Route = route("agent_call_status", "/line/agent_call_status");

const fn route(callback: &'static str, path: &'static str) -> Route {
    Route { callback, vendor: &LINE, method: "GET", path }
}

fn names_a_service(name: &str) -> bool {
    matches!(name, "from_service_id" | "to_service_id" | "svc_id" | "user_svc_id" | "host_svc_id")
}

fn body(verdict: &Verdict) -> String {
    match *verdict {
        Verdict { status: 200, code, .. } => json!({ "result": code }),
        Verdict { code, field: Some(field), .. } => json!({ "error": code, "field": field }),
        Verdict { code, field: None, .. } => json!({ "error": code }),
    }
    .to_string()
}
