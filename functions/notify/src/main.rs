//! `GET /{token}/line/notify_cb`: an incoming call. Publishes a push job to SNS, which rings the
//! callee.
//!
//! Entry point. The handler is `ringback::lambda::handler::Notifier`.

use std::process::ExitCode;

use ringback::lambda::{self, handler::Notifier, settings::NotifierSettings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(NotifierSettings::from_env, Notifier::connect).await
}
