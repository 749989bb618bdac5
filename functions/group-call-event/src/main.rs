//! `GET /{token}/line/gcall_event`: a group call started, changed or ended. Writes a record to
//! DynamoDB.
//!
//! Entry point. The handler is `ringback::lambda::handler::Recorder`; this binary picks the callback.

use std::process::ExitCode;

use ringback::lambda::{self, handler::Recorder, settings::RecorderSettings};
use ringback::line::group_call_event;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(
        |environment| RecorderSettings::from_env(environment, group_call_event::CALLBACK),
        Recorder::connect,
    )
    .await
}
