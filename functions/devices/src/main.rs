//! `PUT`, `GET` and `DELETE` below `/users` and `/devices`: the registry of devices that ring.
//!
//! Entry point. What is done with a request is in `ringback::lambda::devices`.

use std::process::ExitCode;

use ringback::lambda::{self, devices::DevicesApi, settings::DevicesSettings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run_api(DevicesSettings::from_env, DevicesApi::connect).await
}
