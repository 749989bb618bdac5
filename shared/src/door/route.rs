//! The URLs that vendors call. `template.yaml` and the local router have the same paths; tests
//! compare them.

use crate::call::model::Origin;
use crate::door::vendor::Vendor;

/// The address of one callback and its function.
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
    /// The token in a path of this route. A stage or base path may come before it.
    pub fn token_in<'a>(&self, path: &'a str) -> Option<&'a str> {
        let (_, token) = path.strip_suffix(self.path)?.rsplit_once('/')?;
        (!token.is_empty()).then_some(token)
    }

    pub const fn origin(&self) -> Origin {
        Origin { provider: self.vendor.name, callback: self.callback }
    }

    /// The name of the function's folder and binary.
    pub fn binary(&self) -> String {
        self.callback.replace('_', "-")
    }
}
