//! GET /{token}/line/call_event: a one-to-one call ended. Becomes the call's record in DynamoDB.
//!
//! The way of a request is a sentence in `ringback::handler`; this file says of which callback.

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use ringback::function;
use ringback::handler::{Recorded, Recorder};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run(async |environment| Recorder::of(Recorded::CALL_EVENT, environment).await).await
}
