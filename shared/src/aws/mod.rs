//! The effects: writing items to DynamoDB, publishing to SNS, reading keys from SSM, and how long each may
//! take.

pub mod budget;
pub mod client;
pub mod dynamodb;
pub mod ssm;
pub mod store;
pub mod topic;
pub mod trust;

pub use client::{Failure, Service, Settings};
