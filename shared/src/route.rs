//! The five addresses that a vendor knows. `template.yaml` and the local router carry the same paths; tests compare them.

use crate::model::Provider;

/// Whether a callback has to say whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// LINE leaves required fields out in practice; an absent service id costs only itself.
    CheckedWhenPresent,
    /// Tencent's page says that the app backend must check the SDKAppID.
    Required,
}

/// One function's address and what the gate has to know about it.
#[derive(Debug)]
pub struct Route {
    /// The callback's name in logs and records.
    pub callback: &'static str,
    /// Whose callback it is.
    pub provider: Provider,
    /// The only method that the vendor uses.
    pub method: &'static str,
    /// The path behind the token.
    pub path: &'static str,
    /// The parameters that name a service (LINE) or an app (Tencent).
    pub names_a_service: fn(&str) -> bool,
    /// Whether one of them must be there.
    pub identity: Identity,
}

/// Every route.
static ALL: [&Route; 5] = [&NOTIFY, &CALL_EVENT, &GROUP_CALL_EVENT, &AGENT_CALL_STATUS, &TENCENT_CALL_EVENT];

impl Route {
    /// The route of a callback, by its name.
    pub fn of_callback(callback: &str) -> Option<&'static Self> {
        ALL.into_iter().find(|route| route.callback == callback)
    }

    /// The token of a path, when the path is this route's. A stage or base path may stand before it.
    pub fn token_in<'a>(&self, path: &'a str) -> Option<&'a str> {
        let (_, token) = path.strip_suffix(self.path)?.rsplit_once('/')?;
        (!token.is_empty()).then_some(token)
    }
}

/// All of these must be the team's own.
fn names_a_line_service(name: &str) -> bool {
    matches!(name, "from_service_id" | "to_service_id" | "svc_id" | "user_svc_id" | "host_svc_id")
}

/// `sdkappid` in the older generation, `SdkAppid` in the current one.
fn names_a_tencent_app(name: &str) -> bool {
    name.eq_ignore_ascii_case("sdkappid")
}

const fn line(callback: &'static str, path: &'static str) -> Route {
    Route {
        callback,
        provider: Provider::Line,
        method: "GET",
        path,
        names_a_service: names_a_line_service,
        identity: Identity::CheckedWhenPresent,
    }
}

/// LINE: somebody calls, ring the callee.
pub static NOTIFY: Route = line("notify", "/line/notify_cb");
/// LINE: a one-to-one call ended.
pub static CALL_EVENT: Route = line("call_event", "/line/call_event");
/// LINE: a participant of a group call came, went or changed.
pub static GROUP_CALL_EVENT: Route = line("group_call_event", "/line/gcall_event");
/// LINE: a call made by the server reached the callee, or not.
pub static AGENT_CALL_STATUS: Route = line("agent_call_status", "/line/agent_call_status");
/// Tencent: every call callback of both generations.
pub static TENCENT_CALL_EVENT: Route = Route {
    callback: "tencent_call_event",
    provider: Provider::Tencent,
    method: "POST",
    path: "/tencent/call_event",
    names_a_service: names_a_tencent_app,
    identity: Identity::Required,
};
