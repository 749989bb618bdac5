//! The door: who and what may come in.

pub mod access;
pub mod callback;
pub mod request;
pub mod route;
pub mod sources;
pub mod vendor;
