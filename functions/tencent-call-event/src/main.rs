//! POST /{token}/tencent/call_event: anything happened in a TUICallKit call. Becomes records in DynamoDB.
//!
//! The way of a request is a sentence in `ringback::handler`; this file says of what it is made.

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use ringback::access::Gate;
use ringback::config::{ConfigError, Environment};
use ringback::handler::Recorder;
use ringback::store::{PutCall, PutEvent, Records, RecordsTable};
use ringback::{function, route, tencent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run(|environment| handler(environment, RecordsTable::of(environment)?)).await
}

fn handler<S: PutEvent + PutCall>(environment: &Environment, store: S) -> Result<Recorder<S>, ConfigError> {
    let gate = Gate::new(&route::TENCENT_CALL_EVENT, environment.token_digests()?, environment.tencent_sdk_app_ids()?);
    let records = Records::new(store, environment.retention()?);
    Ok(Recorder::new(gate, tencent::read, records))
}
