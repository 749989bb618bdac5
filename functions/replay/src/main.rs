//! Reads the spool's queue (SQS) and writes the records that DynamoDB did not take at first.
//!
//! Entry point. What is done with a message is in `ringback::lambda::replay`.

use std::process::ExitCode;

use ringback::lambda::{self, replay::Replayer, settings::ReplayerSettings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run_replay(ReplayerSettings::from_env, Replayer::connect).await
}
