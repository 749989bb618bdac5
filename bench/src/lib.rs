//! Measures the functions: how they start, what a callback costs, and whether either grows with a call, the table or the spool.
//!
//! A function runs here as on Lambda, on a Runtime API of ours ([`runtime_api`]) and against a DynamoDB and an SNS of ours ([`aws_stub`]), beside the least that
//! a Lambda function can be and what else one would write ([`catalogue`]). [`measure`] takes the figures, [`growth`] and [`replay`] those of long calls and of
//! the spool, [`usage`] counts what AWS charges for; [`bars`] judges them, [`report`] and [`chart`] write them down.

pub mod arguments;
pub mod aws_stub;
pub mod bars;
pub mod catalogue;
pub mod chart;
pub mod cores;
pub mod error;
pub mod growth;
pub mod hold;
mod http;
pub mod machine;
pub mod measure;
pub mod package;
pub mod replay;
pub mod report;
pub mod results;
pub mod runtime_api;
pub mod sample;
pub mod statistics;
pub mod subject;
pub mod table;
pub mod trust;
pub mod usage;
