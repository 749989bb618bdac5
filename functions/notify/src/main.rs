//! GET /{token}/line/notify_cb: somebody calls. Becomes a push job on SNS, which rings the callee.
//!
//! The way of a request is a sentence in `ringback::handler`; this file says of what it is made.

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use ringback::access::Gate;
use ringback::config::{ConfigError, Environment};
use ringback::handler::Notifier;
use ringback::publish::{Publish, PushJobsTopic};
use ringback::{function, route};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run(|environment| handler(environment, PushJobsTopic::of(environment)?)).await
}

fn handler<P: Publish>(environment: &Environment, push_jobs: P) -> Result<Notifier<P>, ConfigError> {
    let gate = Gate::new(&route::NOTIFY, environment.token_digests()?, environment.line_service_ids()?);
    Ok(Notifier::new(gate, push_jobs))
}
