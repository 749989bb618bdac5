//! What is known of one call, and how more knowledge joins it.
//!
//! Callbacks come late, twice and in any order, and several functions write at once. So the order
//! must not matter: each field of [`CallFacts`] joins two values by a rule that does not depend on
//! which came first (the newest in the vendor's time, the earliest, the union, "once true, always
//! true"). [`CallFacts::join`] is commutative, associative and idempotent, and [`CallFacts::view`]
//! is a plain function of the facts. Property tests check this.
//!
//! * [`claim`]: values with their source and time.
//! * [`facts`]: everything that is known of a call.
//! * [`view`]: what a reader sees of it.
//! * [`participant`]: each person's part.
//! * [`model`]: the terms of calls. [`record`]: the items of the table.

pub mod claim;
pub mod facts;
pub mod model;
pub mod participant;
pub mod record;
#[cfg(test)]
mod tests;
pub mod view;

pub use claim::{Claim, First, Source};
pub use facts::{CALL_RESULT, CallFacts, End, Leaving, Part, People};
pub use participant::{Participant, Role};
pub use view::{CallEnd, CallView};
