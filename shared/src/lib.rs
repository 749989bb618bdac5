//! Ringback: the callbacks of LINE Planet and Tencent TUICallKit, from an HTTP request to a push job on SNS or to records in DynamoDB.
//!
//! A request walks one way through the modules: [`http`] takes it in, [`access`] lets it pass, [`line`] or [`tencent`] reads the vendor's words into
//! the terms of [`model`] and [`call`], [`record`] or [`push`] makes items or a job of them, [`store`] or [`publish`] sends these away, and [`outcome`] with
//! [`http`] makes the answer. Everything before `store` and `publish` is a function of its arguments; the clock is one of them.
//!
//! # Layout
//!
//! * [`handler`]: the way of a callback in a sentence; [`function`]: a function's life around it.
//! * [`http`]: API Gateway events in, answers out, the status policy.
//! * [`route`], [`access`] with [`sources`] and [`signature`], [`refusal`], [`bounds`]: who and what may come in.
//! * [`query`], [`json`], [`number`]: text into parameters and values without losing anything.
//! * [`line`], [`tencent`]: one vendor's fields, codes and quirks each.
//! * [`model`], [`call`]: the field's terms; what is known of a call and how more joins it.
//! * [`record`], [`push`]: the two contracts that others build on.
//! * [`store`], [`publish`], [`spool`], [`aws`] with [`trust`]: the effects, and [`budget`]: how long each may take.
//! * [`replay`]: what was spooled, written later.
//! * [`config`]: the environment in; [`telemetry`] with [`metrics`]: log lines out, which are the metrics too.

pub mod access;
pub mod aws;
pub mod bounds;
pub mod budget;
pub mod call;
pub mod dynamodb;
pub mod handler;
pub mod http;
pub mod json;
pub mod lambda;
pub mod line;
pub mod logging;
pub mod metrics;
pub mod model;
pub mod number;
pub mod outcome;
pub mod query;
pub mod record;
pub mod refusal;
pub mod replay;
pub mod request_line;
pub mod route;
pub mod routes;
pub mod settings;
pub mod sources;
pub mod spool;
pub mod sqs;
pub mod store;
pub mod tencent;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod topic;
pub mod trace_id;
pub mod trust;
pub mod vendor;
