//! What the outer tests share: the running local stack, plain HTTP, a Lambda control plane of a few lines,
//! and the harness behind `make chaos`.
//!
//! `make test` starts the stack, runs the tests in `tests/` and stops it. The tests speak HTTP to the
//! functions as a vendor would, and look at DynamoDB and SQS as an operator would; no AWS code is replaced by
//! anything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod calls;
pub mod chaos;
pub mod control_plane;
pub mod fault_proxy;
pub mod gateway;
pub mod http;
pub mod phones;
pub mod ringing;
pub mod stack;
