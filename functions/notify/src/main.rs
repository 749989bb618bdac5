//! GET /{token}/line/notify_cb: somebody calls. Becomes a push job on SNS, which rings the callee.
//!
//! The way of a request is a sentence in `ringback::handler`; this file starts it.

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use ringback::function;
use ringback::handler::Notifier;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run(async |environment| Notifier::of(environment).await).await
}
