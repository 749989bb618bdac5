//! GET /{token}/line/call_event: a one-to-one call ended. Becomes the call's record in DynamoDB.
//!
//! Entry point. The handler is `ringback::handler::Recorder`; this binary picks the callback.

use std::process::ExitCode;

use ringback::handler::Recorder;
use ringback::lambda;
use ringback::line::call_event;
use ringback::settings::RecorderSettings;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(|environment| RecorderSettings::from_env(environment, call_event::CALLBACK), Recorder::connect).await
}
