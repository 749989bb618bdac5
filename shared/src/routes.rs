//! Every route, of every vendor: the one list of callbacks.

use crate::route::Route;
use crate::{line, tencent};

impl Route {
    pub const ALL: [&'static Self; 5] =
        [&line::NOTIFY, &line::CALL_EVENT, &line::GROUP_CALL_EVENT, &line::AGENT_CALL_STATUS, &tencent::CALL_EVENT];

    /// The route of a callback, by its name.
    pub fn from_callback(callback: &str) -> Option<&'static Self> {
        Self::ALL.into_iter().find(|route| route.callback == callback)
    }
}
