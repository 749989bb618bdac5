//! `GET /{token}/line/call_event`: a one-to-one call ended. Writes a record to DynamoDB.
//!
//! Entry point. The handler is `ringback::lambda::handler::Recorder`; this binary picks the callback.

use std::process::ExitCode;

use ringback::lambda::{self, handler::Recorder, settings::RecorderSettings};
use ringback::line::call_event;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(
        |environment| RecorderSettings::from_env(environment, call_event::CALLBACK),
        Recorder::connect,
    )
    .await
}
