//! Text into parameters, values and numbers, without losing anything and within bounds.

pub mod bounds;
pub mod json;
pub mod number;
pub mod query;
pub mod refusal;
