//! A callback that becomes a record.

use crate::call::record::Record;
use crate::door::access::Verified;
use crate::door::route::Route;
use crate::text::refusal::Refusal;

/// A callback that becomes a record: where it comes in, and what reads it.
#[derive(Clone, Copy, Debug)]
pub struct Callback {
    pub route: &'static Route,
    /// `None` where there is nothing to record.
    pub read: fn(&Verified) -> Result<Option<Record>, Refusal>,
}
