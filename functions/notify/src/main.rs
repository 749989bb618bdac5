//! `GET /{token}/line/notify_cb`: an incoming call. Publishes a push job to SNS and, if keys of Apple
//! or Google are configured, rings the callee's phones.
//!
//! Entry point. The handler is `ringback::lambda::handler::Notifier`.

use std::process::ExitCode;

use ringback::aws::Settings;
use ringback::lambda::{self, handler::Notifier, settings::NotifierSettings};
use ringback::ring::push::direct::Direct;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(NotifierSettings::from_env, async |settings| {
        let connect = async |push, aws: &Settings| Direct::connect(push, aws, lambda::now()).await;
        Notifier::connect(settings, connect).await
    })
    .await
}
