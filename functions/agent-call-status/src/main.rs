//! GET /{token}/line/agent_call_status: a call made by the app's server reached the callee, or not. Becomes a record in DynamoDB.
//!
//! The way of a request is a sentence in `ringback::handler`; this file says of which callback.

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use ringback::function;
use ringback::handler::{Recorded, Recorder};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run(async |environment| Recorder::of(Recorded::AGENT_CALL_STATUS, environment).await).await
}
