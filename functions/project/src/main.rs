//! Follows the stream of the records table (DynamoDB) and writes what readers of calls see.
//!
//! Entry point. What is done with a batch is in `ringback::lambda::project`.

use std::process::ExitCode;

use ringback::lambda::{self, settings::ProjectorSettings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run_project(ProjectorSettings::from_env).await
}
