//! Measures the functions: how they start, what a callback costs, and whether either grows with a call, the
//! table or the spool.
//!
//! A function runs here as on Lambda: on a Runtime API (`ringback_tests::control_plane`) and against DynamoDB
//! and SNS on loopback ([`aws`], [`table`], [`views`]). Beside it run the least that a function can be and
//! what else one would write ([`subject`]). [`starts`], [`growth`], [`replay`], [`reading`] and [`calls`]
//! take the figures, each with [`environments`] of a function. [`bars`] judges them, [`page`] writes them
//! down. Linux only: processor cores and clocks are its own.

pub mod aws;
pub mod bars;
pub mod calls;
pub mod cases;
pub mod environments;
pub mod growth;
pub mod machine;
pub mod package;
pub mod page;
pub mod peers;
pub mod process;
pub mod reading;
pub mod replay;
pub mod results;
pub mod ringing;
pub mod starts;
pub mod stories;
pub mod subject;
pub mod table;
pub mod views;
