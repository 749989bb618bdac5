//! A callback that becomes a record.

use crate::call::record::Record;
use crate::door::{access::Verified, route::Route};
use crate::text::refusal::Refusal;

/// A callback that becomes a record: its route and its reader.
#[derive(Clone, Copy, Debug)]
pub struct Callback {
    pub route: &'static Route,
    /// `None` if there is nothing to record.
    pub read: fn(&Verified) -> Result<Option<Record>, Refusal>,
}
