//! The built program as a person runs it at a desk, with an AWS and phones that are servers of these tests.
//! They need no emulator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod deploying;
mod ringing;
mod server;
