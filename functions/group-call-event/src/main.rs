//! GET /{token}/line/gcall_event: somebody joined or left a group call, or it ended. Becomes records in DynamoDB.
//!
//! The way of a request is a sentence in `ringback::handler`; this file says of which callback.

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use ringback::function;
use ringback::handler::{Recorded, Recorder};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run(async |environment| Recorder::of(Recorded::GROUP_CALL_EVENT, environment).await).await
}
