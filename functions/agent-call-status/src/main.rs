//! GET /{token}/line/agent_call_status: a call made by the app's server reached the callee, or not. Becomes a record in DynamoDB.
//!
//! The way of a request is a sentence in `ringback::handler`; this file says of what it is made.

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use ringback::access::Gate;
use ringback::config::{ConfigError, Environment};
use ringback::handler::Recorder;
use ringback::store::{PutCall, PutEvent, Records, RecordsTable};
use ringback::{function, line, route};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run(|environment| handler(environment, RecordsTable::of(environment)?)).await
}

fn handler<S: PutEvent + PutCall>(environment: &Environment, store: S) -> Result<Recorder<S>, ConfigError> {
    let gate = Gate::new(&route::AGENT_CALL_STATUS, environment.token_digests()?, environment.line_service_ids()?);
    let records = Records::new(store, environment.retention()?);
    Ok(Recorder::new(gate, |request| line::agent_call_status::read(request).map(Some), records))
}
