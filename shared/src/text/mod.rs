//! Text into parameters, values and numbers, without losing anything and within bounds; and into messages.

pub mod bounds;
pub mod json;
pub mod message;
pub mod number;
pub mod query;
pub mod refusal;
