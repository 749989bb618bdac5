//! Ringback receives the callbacks of LINE Planet and Tencent TUICallKit. They become push jobs on
//! SNS or records in DynamoDB.
//!
//! A request walks one way. [`lambda::http`] takes the event in. [`door::access`] lets it pass.
//! [`line`](mod@line) or [`tencent`] reads the vendor's fields into the terms of [`call`]. [`aws::store`]
//! writes the items that [`call::record`] makes of them, or [`aws::topic`] publishes the push job.
//! [`lambda::outcome`] with [`lambda::http`] makes the answer. Everything before the effects is a
//! function of its arguments; the clock is one of them. Start reading at [`lambda::handler`].
//!
//! # Layout
//!
//! Each folder uses only those above it in this list, and the vendors know nothing of AWS or of each
//! other. `tests/layout.rs` checks it.
//!
//! * [`text`]: text into parameters, values and numbers, and back into messages; the bounds on them.
//! * [`call`]: the terms of calls, what is known of one call and how more joins it, the records
//!   table's items.
//! * [`door`]: who may come in: routes, the token, allow-lists, source addresses, signatures. What
//!   a vendor is.
//! * [`aws`]: the effects: DynamoDB, SNS, time-outs.
//! * [`line`](mod@line), [`tencent`]: one vendor's addresses, fields, codes, signature and answers each.
//! * [`ring`]: the registry of devices, and the pushes that ring them.
//! * [`history`]: what the reading side keeps: rows of calls by user, day and room, and figures.
//! * [`lambda`]: settings, the handlers, HTTP, the log and its metrics, replaying the spool, the
//!   registry's HTTP API.

pub mod aws;
pub mod call;
pub mod door;
pub mod history;
pub mod lambda;
pub mod line;
pub mod ring;
pub mod tencent;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
