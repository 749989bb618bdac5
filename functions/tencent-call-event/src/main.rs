//! `POST /{token}/tencent/call_event`: something happened in a TUICallKit call. Writes a record to
//! DynamoDB.
//!
//! Entry point. The handler is `ringback::lambda::handler::Recorder`; this binary picks the callback.

use std::process::ExitCode;

use ringback::lambda::{self, handler::Recorder, settings::RecorderSettings};
use ringback::tencent;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(|environment| RecorderSettings::from_env(environment, tencent::CALLBACK), Recorder::connect)
        .await
}
