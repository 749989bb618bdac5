//! The five addresses that a vendor knows. `template.yaml` and the local router carry the same paths; tests compare them.

use crate::model::Provider;
use crate::tencent;

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

impl Route {
    /// The token of a path, when the path is this route's. A stage or base path may stand before it.
    pub fn token_in<'a>(&self, path: &'a str) -> Option<&'a str> {
        let (_, token) = path.strip_suffix(self.path)?.rsplit_once('/')?;
        (!token.is_empty()).then_some(token)
    }
}

const fn line(callback: &'static str, path: &'static str) -> Route {
    Route {
        callback,
        provider: Provider::Line,
        method: "GET",
        path,
        names_a_service: crate::line::names_a_service,
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
    names_a_service: tencent::names_an_app,
    identity: Identity::Required,
};
