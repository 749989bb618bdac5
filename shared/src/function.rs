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
use lambda_runtime::{Context, Error, LambdaEvent, service_fn};

use crate::config::{ConfigError, Environment};
use crate::handler::Handler;
use crate::http::{GatewayEvent, answer};
use crate::model::Arrival;
use crate::outcome::CallbackOutcome;
use crate::replay::{Batch, DeadLetters, Replayer, Report};
use crate::store::{PutCall, PutEvent};
use crate::telemetry::{self, Handling, Telemetry, TraceId};

/// Runs a callback's function until Lambda ends it. `make` builds the handler from the environment; a variable that is wrong ends the start with its
/// name.
pub async fn run<H: Handler>(make: impl AsyncFnOnce(&Environment) -> Result<H, ConfigError>) -> ExitCode {
    let Some((handler, telemetry)) = started(make).await else { return ExitCode::FAILURE };
    for what in handler.gate().unchecked() {
        tracing::warn!(
            callback = handler.gate().route().callback,
            "{what} are not checked: the URL's token is what protects"
        );
    }
    let cold = Cell::new(true);
    let respond = |event: LambdaEvent<GatewayEvent>| {
        let cold = cold.replace(false);
        let (handler, telemetry) = (&handler, &telemetry);
        async move {
            let trace = trace_of(&event.context);
            Ok::<_, Infallible>(respond(handler, telemetry, event.payload, cold, trace).await)
        }
    };
    ended(lambda_runtime::run(service_fn(respond)).await)
}

/// Runs the function that replays the spool.
pub async fn run_replay<S: PutEvent + PutCall, D: DeadLetters>(
    make: impl FnOnce(&Environment) -> Result<Replayer<S, D>, ConfigError>,
) -> ExitCode {
    let Some((replayer, telemetry)) = started(async |environment| make(environment)).await else {
        return ExitCode::FAILURE;
    };
    let (replayer, telemetry) = (&replayer, &telemetry);
    let respond = async |event: LambdaEvent<Batch>| -> Result<_, Infallible> {
        let trace = trace_of(&event.context);
        let tell = |message: &_| telemetry.replay(message, trace.as_ref(), now());
        Ok(Report::of(&replayer.replay(event.payload, tell).await))
    };
    ended(lambda_runtime::run(service_fn(respond)).await)
}

async fn started<T>(make: impl AsyncFnOnce(&Environment) -> Result<T, ConfigError>) -> Option<(T, Telemetry)> {
    let environment = Environment::of_process();
    telemetry::start(&environment);
    let started = async { Ok((make(&environment).await?, Telemetry::of(&environment)?)) };
    started.await.inspect_err(|error: &ConfigError| tracing::error!(%error, "the function cannot start")).ok()
}

fn trace_of(context: &Context) -> Option<TraceId> {
    context.xray_trace_id.as_deref().and_then(TraceId::of_header)
}

fn ended(result: Result<(), Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the function stopped");
            ExitCode::FAILURE
        }
    }
}

/// One request, from event to answer. A panic is answered and the environment lives on.
async fn respond<H: Handler>(
    handler: &H,
    telemetry: &Telemetry,
    event: GatewayEvent,
    cold: bool,
    trace: Option<TraceId>,
) -> ApiGatewayV2httpResponse {
    let started = Instant::now();
    let handling = AssertUnwindSafe(async { handler.handle(event.into(), now()).await });
    let handled = handling.catch_unwind().await.unwrap_or_else(|_| CallbackOutcome::Panicked.into());
    let route = handler.gate().route();
    let answer = answer(route, &handled.outcome);
    let handling = Handling { took: started.elapsed(), cold, status: answer.status, trace };
    telemetry.request(route, &handled, &handling, now());
    answer.into()
}

fn now() -> Arrival {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Arrival { milliseconds: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Gate, Unverified};
    use crate::outcome::Handled;
    use crate::route;
    use crate::testing::{block_on, environment};

    /// Panics at its first request and at no other.
    struct Stumbling {
        gate: Gate,
        stumbled: Cell<bool>,
    }

    impl Handler for Stumbling {
        fn gate(&self) -> &Gate {
            &self.gate
        }

        async fn handle(&self, _: Unverified, _: Arrival) -> Handled {
            assert!(self.stumbled.replace(true), "the first step");
            CallbackOutcome::Ignored.into()
        }
    }

    #[test]
    fn a_panic_is_answered_and_the_next_request_is_handled() {
        let gate = environment().gate(&route::TENCENT_CALL_EVENT).unwrap();
        let handler = Stumbling { gate, stumbled: Cell::new(false) };
        let telemetry = Telemetry::of(&environment()).unwrap();
        let answer = || block_on(respond(&handler, &telemetry, GatewayEvent::default(), false, None));
        let panicked = answer();
        assert_eq!(panicked.status_code, 500);
        assert!(format!("{:?}", panicked.body).contains("panicked"));
        assert_eq!(answer().status_code, 200);
    }
}
