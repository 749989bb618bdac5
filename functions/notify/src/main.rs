//! GET /{token}/line/notify_cb: a call comes in. Becomes a push job on SNS, which rings the callee.
//!
//! Entry point. The handler is `ringback::handler::Notifier`.

use std::process::ExitCode;

use ringback::handler::Notifier;
use ringback::lambda;
use ringback::settings::NotifierSettings;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(NotifierSettings::from_env, Notifier::connect).await
}
