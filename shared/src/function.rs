//! A function's life: read the environment, then answer one event after the other.
//!
//! Everything between the Lambda runtime and a handler is here, once for all functions: the clock, the panic net, the answer, the log line.

use std::cell::Cell;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_runtime::{LambdaEvent, service_fn};

use crate::config::{ConfigError, Environment};
use crate::handler::Handler;
use crate::http::{GatewayEvent, answer};
use crate::model::Arrival;
use crate::outcome::CallbackOutcome;
use crate::telemetry::{self, Handling};

/// Runs a function until Lambda ends it. `make` builds the handler from the environment; a variable that is wrong ends the start with its name.
pub async fn run<H: Handler>(make: impl FnOnce(&Environment) -> Result<H, ConfigError>) -> ExitCode {
    let environment = Environment::of_process();
    telemetry::start(&environment);
    let handler = match make(&environment) {
        Ok(handler) => handler,
        Err(error) => {
            tracing::error!(%error, "the function cannot start");
            return ExitCode::FAILURE;
        }
    };
    let cold = Cell::new(true);
    let respond = |event: LambdaEvent<GatewayEvent>| {
        let cold = cold.replace(false);
        let handler = &handler;
        async move { Ok::<_, Infallible>(respond(handler, event.payload, cold).await) }
    };
    match lambda_runtime::run(service_fn(respond)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the function stopped");
            ExitCode::FAILURE
        }
    }
}

/// One request, from event to answer. A panic is answered and the environment lives on.
async fn respond<H: Handler>(handler: &H, event: GatewayEvent, cold: bool) -> ApiGatewayV2httpResponse {
    let started = Instant::now();
    let handling = AssertUnwindSafe(async { handler.handle(event.into(), now()).await });
    let handled = handling.catch_unwind().await.unwrap_or_else(|_| CallbackOutcome::Panicked.into());
    let answer = answer(handler.route(), &handled.outcome);
    telemetry::request_line(
        handler.route(),
        &handled,
        Handling { took: started.elapsed(), cold, status: answer.status },
    );
    answer.into()
}

fn now() -> Arrival {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Arrival { milliseconds: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX) }
}
