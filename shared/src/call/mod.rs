//! What is known of one call, and how more knowledge joins it.
//!
//! Callbacks come late, twice and in any order, and several functions write at once. So the order must not matter. Every field of
//! [`CallFacts`] has a rule for joining two values that does not ask which came first: the newest in the vendor's time, the earliest, the
//! union, "once true, always true". [`CallFacts::join`] is therefore commutative, associative and idempotent, and [`CallFacts::view`] is a
//! plain function of the facts. The property tests hold them to that.
//!
//! * [`claim`]: statements with their weight.
//! * [`facts`]: everything that is known of a call.
//! * [`view`]: what a reader is shown of it.
//! * [`model`]: the terms of calls. [`record`]: the items of the table.

pub mod claim;
pub mod facts;
pub mod model;
pub mod record;
#[cfg(test)]
mod tests;
pub mod view;

pub use claim::{Claim, First, Source};
pub use facts::{CALL_RESULT, CallFacts, End, Leaving, Part, People};
pub use view::{CallEnd, CallView};
