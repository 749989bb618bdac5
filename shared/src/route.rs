//! The addresses that a vendor knows. `template.yaml` and the local router carry the same paths; tests compare them.

use crate::access::Verified;
use crate::record::Record;
use crate::refusal::Refusal;
use crate::vendor::Vendor;

/// The address of one callback, which is one function's.
#[derive(Debug)]
pub struct Route {
    /// The callback's name in records, logs and metrics.
    pub callback: &'static str,
    pub vendor: &'static Vendor,
    /// The only method that the vendor uses.
    pub method: &'static str,
    /// The path behind the token.
    pub path: &'static str,
}

impl Route {
    /// The token of a path, when the path is this route's. A stage or base path may stand before it.
    pub fn token_in<'a>(&self, path: &'a str) -> Option<&'a str> {
        let (_, token) = path.strip_suffix(self.path)?.rsplit_once('/')?;
        (!token.is_empty()).then_some(token)
    }

    /// The name of the function's folder and binary.
    pub fn binary(&self) -> String {
        self.callback.replace('_', "-")
    }
}

/// A callback that becomes a record: where it comes in, and what reads it.
#[derive(Clone, Copy, Debug)]
pub struct Callback {
    pub route: &'static Route,
    /// `None` where there is nothing to record.
    pub read: fn(&Verified) -> Result<Option<Record>, Refusal>,
}

// TODO until the readers' branch has landed
pub use crate::line::{CALL_EVENT, GROUP_CALL_EVENT};
