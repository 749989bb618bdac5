//! GET /{token}/line/agent_call_status: a call made by the app's server reached the callee, or not. Becomes a record in
//! DynamoDB.
//!
//! Entry point. The handler is `ringback::handler::Recorder`; this binary picks the callback.

use std::process::ExitCode;

use ringback::handler::Recorder;
use ringback::lambda;
use ringback::line::agent_call_status;
use ringback::settings::RecorderSettings;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(|environment| RecorderSettings::from_env(environment, agent_call_status::CALLBACK), Recorder::connect)
        .await
}
