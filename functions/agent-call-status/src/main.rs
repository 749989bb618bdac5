//! `GET /{token}/line/agent_call_status`: whether a call made by the app's server reached the
//! callee. Writes a record to DynamoDB.
//!
//! Entry point. The handler is `ringback::lambda::handler::Recorder`; this binary picks the callback.

use std::process::ExitCode;

use ringback::lambda::{self, handler::Recorder, settings::RecorderSettings};
use ringback::line::agent_call_status;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(
        |environment| RecorderSettings::from_env(environment, agent_call_status::CALLBACK),
        Recorder::connect,
    )
    .await
}
