//! `GET` below `/calls`, `/users`, `/rooms`, `/stats` and `/me`: the calls, for app servers and apps.
//!
//! Entry point. What is done with a request is in `ringback::lambda::history`.

use std::process::ExitCode;

use ringback::lambda::{self, history::HistoryApi, settings::HistorySettings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run_api(HistorySettings::from_env, HistoryApi::connect).await
}
