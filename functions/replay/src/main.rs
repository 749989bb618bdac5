//! SQS, the spool's queue: records that DynamoDB did not take when their callbacks came. They become the records that they should have been.
//!
//! What is done with a message is told in `ringback::replay`; this file starts it.

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use ringback::function;
use ringback::replay::Replayer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run_replay(Replayer::of).await
}
