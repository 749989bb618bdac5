//! What the reading side keeps of calls, made from the stream of the records table.
//!
//! A change of a call's item goes one way. [`call`] reads the old and the new item. [`row`] and
//! [`figures`] say what readers keep of each, as functions of that one item; the difference is
//! written to two tables. [`read`] reads them.
//!
//! The views table holds rows, which can be made again from the records. The figures table holds
//! counters, which name no person.

pub mod call;
pub mod figures;
pub mod group_event;
pub mod key;
pub mod news;
pub mod plan;
pub mod projector;
pub mod read;
pub mod rebuild;
pub mod recount;
pub mod roll_up;
pub mod row;
pub mod rows;
pub mod stream;
pub mod tables;

/// Parts of each day's and of the live calls' rows, so that one key does not take all writes. A
/// number that may only be raised.
pub const SHARDS: u32 = 4;
