//! `GET /{token}/line/notify_cb`: an incoming call. Publishes a push job to SNS and, if keys of Apple
//! or Google are configured, rings the callee's phones.
//!
//! Entry point. The handler is `ringback::lambda::handler::Notifier`.

use std::process::ExitCode;
use std::time::Duration;

use ringback::aws;
use ringback::lambda::{self, handler::Notifier, settings::NotifierSettings};
use ringback::ring::device::Device;
use ringback::ring::push::{Push, PushSettings, Pushed, Ring, Ringing};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(NotifierSettings::from_env, async |settings| {
        Notifier::connect(settings, async |_: PushSettings, _: &aws::Settings| Unreachable).await
    })
    .await
}

/// Until the adapters of APNs and FCM are here: a call that should ring fails, and says why.
struct Unreachable;

impl Ring for Unreachable {
    async fn ring(&self, _: Ringing<'_>, devices: &[Device]) -> Vec<Push> {
        let failed = || Push { pushed: Pushed::Failed("no_adapter".to_owned()), took: Duration::ZERO };
        devices.iter().map(|_| failed()).collect()
    }
}
