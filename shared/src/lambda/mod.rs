//! Lambda's entry point: settings, runtime loop, panic handling, request log.

pub mod api;
pub mod devices;
pub mod handler;
pub mod history;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod outcome;
pub mod project;
pub mod replay;
pub mod request_line;
pub mod ringer;
pub mod routes;
pub mod settings;
pub mod spool;
pub mod sqs;
pub mod trace_id;

use std::cell::Cell;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_runtime::{Context, Error, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use tracing::Level;

use crate::aws::{store::Store, topic::Publish};
use crate::call::model::Arrival;
use crate::history::rebuild::Rebuild;
use crate::lambda::api::event::ApiEvent;
use crate::lambda::api::log_line::log_line;
use crate::lambda::api::{Api, HandledRequest};
use crate::lambda::handler::Handler;
use crate::lambda::http::{GatewayEvent, answer};
use crate::lambda::logging::Log;
use crate::lambda::outcome::CallbackOutcome;
use crate::lambda::project::{ProjectOnAws, ProjectOutcome, Task, project_line};
use crate::lambda::replay::{ReplayedMessage, Replayer};
use crate::lambda::request_line::{RequestContext, push_lines, replay_line, request_line};
use crate::lambda::settings::{ConfigError, Environment, ProjectorSettings};
use crate::lambda::sqs::Batch;
use crate::lambda::trace_id::TraceId;

/// Runs a callback's function until Lambda ends it. `read` parses the settings; `connect` makes the
/// handler.
pub async fn run<S, H: Handler>(
    read: impl FnOnce(&Environment) -> Result<S, ConfigError>,
    connect: impl AsyncFnOnce(S) -> H,
) -> ExitCode {
    let Some((settings, log)) = start(read) else { return ExitCode::FAILURE };
    let handler = connect(settings).await;
    for what in handler.gate().unchecked() {
        tracing::warn!(
            callback = handler.gate().route().callback,
            "{what} are not checked: the URL's token is the only protection"
        );
    }
    let cold = Cell::new(true);
    let respond = |event: LambdaEvent<GatewayEvent>| {
        let cold = cold.replace(false);
        let (handler, log) = (&handler, &log);
        async move {
            let trace = trace_id(&event.context);
            Ok::<_, Infallible>(respond(handler, log, event.payload, cold, trace).await)
        }
    };
    exit_code(lambda_runtime::run(service_fn(respond)).await)
}

/// Runs the function that replays the spool.
pub async fn run_replay<S, T: Store, P: Publish, R: Rebuild>(
    read: impl FnOnce(&Environment) -> Result<S, ConfigError>,
    connect: impl FnOnce(S) -> Replayer<T, P, R>,
) -> ExitCode {
    let Some((settings, log)) = start(read) else { return ExitCode::FAILURE };
    let (replayer, log) = (&connect(settings), &log);
    let respond = async |event: LambdaEvent<Batch>| -> Result<_, Infallible> {
        let trace = trace_id(&event.context);
        let log_message = |message: &ReplayedMessage| {
            log.print("replay", message.outcome.level(), replay_line(message, trace.as_ref()), now());
        };
        Ok(replay::report(&replayer.replay(event.payload, log_message).await))
    };
    exit_code(lambda_runtime::run(service_fn(respond)).await)
}

/// Runs the function that follows the stream of records.
pub async fn run_project(
    read: impl FnOnce(&Environment) -> Result<ProjectorSettings, ConfigError>,
) -> ExitCode {
    let Some((settings, log)) = start(read) else { return ExitCode::FAILURE };
    let (project, log) = (&ProjectOnAws::connect(settings), &log);
    let cold = Cell::new(true);
    let respond = |event: LambdaEvent<Box<RawValue>>| {
        let cold = cold.replace(false);
        async move {
            let task = Task::parse(event.payload.get())?;
            let started = Instant::now();
            let handled = AssertUnwindSafe(project.handle(&task, now())).catch_unwind().await;
            let outcome = handled.unwrap_or(ProjectOutcome::Panicked);
            let trace = trace_id(&event.context);
            let context = RequestContext { took: started.elapsed(), cold, status: 200, trace };
            log.print("project", outcome.level(), project_line(&task, &outcome, &context), now());
            Ok::<_, Error>(outcome.report()?)
        }
    };
    exit_code(lambda_runtime::run(service_fn(respond)).await)
}

/// Runs the function of an HTTP API.
pub async fn run_api<S, A: Api>(
    read: impl FnOnce(&Environment) -> Result<S, ConfigError>,
    connect: impl AsyncFnOnce(S) -> A,
) -> ExitCode {
    let Some((settings, log)) = start(read) else { return ExitCode::FAILURE };
    let (api, log) = (&connect(settings).await, &log);
    let cold = Cell::new(true);
    let respond = |event: LambdaEvent<ApiEvent>| {
        let cold = cold.replace(false);
        async move {
            let trace = trace_id(&event.context);
            Ok::<_, Infallible>(respond_to_api(api, log, &event.payload, cold, trace).await)
        }
    };
    exit_code(lambda_runtime::run(service_fn(respond)).await)
}

/// Starts the log, then parses the settings.
fn start<S>(read: impl FnOnce(&Environment) -> Result<S, ConfigError>) -> Option<(S, Log)> {
    let environment = Environment::from_process();
    let controls = environment.log_controls();
    logging::start(&controls);
    let settings = read(&environment).and_then(|settings| Ok((settings, environment.metrics_namespace()?)));
    match settings {
        Ok((settings, namespace)) => Some((settings, Log::new(controls, namespace))),
        Err(error) => {
            tracing::error!(%error, "the function cannot start");
            None
        }
    }
}

fn trace_id(context: &Context) -> Option<TraceId> {
    context.xray_trace_id.as_deref().and_then(TraceId::from_header)
}

fn exit_code(result: Result<(), Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the function stopped");
            ExitCode::FAILURE
        }
    }
}

/// Handles one event. A panic gets a 500, and the function continues.
async fn respond<H: Handler>(
    handler: &H,
    log: &Log,
    event: GatewayEvent,
    cold: bool,
    trace: Option<TraceId>,
) -> ApiGatewayV2httpResponse {
    let started = Instant::now();
    let handling = AssertUnwindSafe(async { handler.handle(event.into(), now()).await });
    let details = handling.catch_unwind().await.unwrap_or_else(|_| CallbackOutcome::Panicked.into());
    let route = handler.gate().route();
    let answer = answer(route, &details.outcome);
    let context = RequestContext { took: started.elapsed(), cold, status: answer.status, trace };
    log.print("callback", details.outcome.level(), request_line(route, &details, &context), now());
    for line in push_lines(&details) {
        log.print("push", Level::INFO, line, now());
    }
    answer.into()
}

/// The same for a request to an HTTP API.
async fn respond_to_api<A: Api>(
    api: &A,
    log: &Log,
    event: &ApiEvent,
    cold: bool,
    trace: Option<TraceId>,
) -> ApiGatewayV2httpResponse {
    let started = Instant::now();
    let handling = AssertUnwindSafe(async { api.handle(event, now()).await });
    let handled = handling.catch_unwind().await.unwrap_or_else(|_| A::Handled::panicked());
    let answer = handled.answer(event);
    let context = RequestContext { took: started.elapsed(), cold, status: answer.status, trace };
    log.print(A::Handled::WORDS.message, handled.level(&answer), log_line(&handled, &context), now());
    answer.into()
}

/// The clock.
pub fn now() -> Arrival {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Arrival { milliseconds: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::Failure;
    use crate::call::model::Moment;
    use crate::door::{access::Gate, request::Unverified};
    use crate::lambda::devices::DevicesApi;
    use crate::lambda::{metrics::Namespace, outcome::OutcomeDetails};
    use crate::ring::device::{Device, DeviceId, Registration, User};
    use crate::ring::registry::{FindDevices, Forget, Register, Registered};
    use crate::tencent;
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

        async fn handle(&self, _: Unverified, _: Arrival) -> OutcomeDetails {
            assert!(self.stumbled.replace(true), "the first step");
            CallbackOutcome::Ignored.into()
        }
    }

    #[test]
    fn a_panic_is_answered_and_the_next_request_is_handled() {
        let gate = environment().gate(&tencent::CALL_EVENT).unwrap();
        let handler = Stumbling { gate, stumbled: Cell::new(false) };
        let log = Log::new(environment().log_controls(), Namespace::default());
        let answer = || block_on(respond(&handler, &log, GatewayEvent::default(), false, None));
        let panicked = answer();
        assert_eq!(panicked.status_code, 500);
        assert!(format!("{:?}", panicked.body).contains("panicked"));
        assert_eq!(answer().status_code, 200);
    }

    /// A registry with a bug.
    struct Broken;

    impl FindDevices for Broken {
        async fn find(&self, _: &User, _: Arrival) -> Result<Vec<Device>, Failure> {
            panic!("a bug");
        }
    }

    impl Register for Broken {
        async fn register(
            &self,
            _: &User,
            _: &DeviceId,
            _: &Registration,
            _: Arrival,
        ) -> Result<Registered, Failure> {
            panic!("a bug");
        }
    }

    impl Forget for Broken {
        async fn forget(&self, _: &User, _: &DeviceId) -> Result<bool, Failure> {
            panic!("a bug");
        }

        async fn forget_dead(&self, _: &Device, _: Option<Moment>) -> Result<(), Failure> {
            panic!("a bug");
        }
    }

    #[test]
    fn a_panic_in_the_registry_is_a_problem_for_one_request_only() {
        let log = Log::new(environment().log_controls(), Namespace::default());
        let api = DevicesApi::new(Broken, None);
        let event = json!({
            "rawPath": "/users/planetkit/bob/devices",
            "requestContext": { "http": { "method": "GET" }, "authorizer": { "iam": { "accountId": "1" } } },
        });
        let event: ApiEvent = serde_json::from_value(event).unwrap();
        for _ in 0..2 {
            let answer = block_on(respond_to_api(&api, &log, &event, false, None));
            assert_eq!(answer.status_code, 500);
            assert_eq!(answer.headers["content-type"], "application/problem+json");
        }
    }
}
