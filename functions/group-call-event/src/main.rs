//! GET /{token}/line/gcall_event: a participant joined or left a group call, or it ended. Becomes records in DynamoDB.
//!
//! Entry point. The handler is `ringback::handler::Recorder`; this binary picks the callback.

use std::process::ExitCode;

use ringback::handler::Recorder;
use ringback::lambda;
use ringback::line::group_call_event;
use ringback::settings::RecorderSettings;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(|environment| RecorderSettings::from_env(environment, group_call_event::CALLBACK), Recorder::connect)
        .await
}
