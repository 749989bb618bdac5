//! Rings the callee's phones, and keeps the registry of devices.
//!
//! A notify callback walks through here once keys are configured. [`guard`] lets one request ring a
//! call. [`registry`] says which devices the callee has. [`push`] sends to all of them at once.
//! [`verdict`] makes one outcome of what the providers answered.
//!
//! The facts behind it: docs/decisions/ringing.md.

pub mod device;
pub mod devices_table;
pub mod guard;
pub mod push;
pub mod registration;
pub mod registry;
pub mod verdict;
