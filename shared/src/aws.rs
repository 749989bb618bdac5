//! The AWS clients, made by hand for a function's start: settings come from the variables that Lambda sets, there is one TLS stack, and every call
//! has its time-outs (the SDK has none of its own). `aws-config` would bring the credential sources of a developer's machine and two more SDK crates for them.

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::budget::{self, Budget};
use crate::config::{ConfigError, Environment};

struct Settings {
    region: Region,
    credentials: Credentials,
    http: SharedHttpClient,
    timeouts: TimeoutConfig,
    retries: RetryConfig,
}

fn settings(environment: &Environment, budget: Budget) -> Result<Settings, ConfigError> {
    let credentials = Credentials::new(
        environment.required("AWS_ACCESS_KEY_ID")?,
        environment.required("AWS_SECRET_ACCESS_KEY")?,
        environment.optional("AWS_SESSION_TOKEN"),
        None,
        "environment",
    );
    Ok(Settings {
        region: Region::new(environment.required("AWS_REGION")?),
        credentials,
        http: aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https(),
        timeouts: TimeoutConfig::builder()
            .connect_timeout(budget.connect)
            .operation_attempt_timeout(budget.attempt)
            .operation_timeout(budget.whole)
            .build(),
        retries: RetryConfig::standard().with_max_attempts(budget::ATTEMPTS).with_initial_backoff(budget::FIRST_PAUSE),
    })
}

/// `AWS_ENDPOINT_URL_<service>`, else `AWS_ENDPOINT_URL`: for emulators and private endpoints.
fn endpoint(environment: &Environment, of_the_service: &str) -> Option<String> {
    environment.optional(of_the_service).or_else(|| environment.optional("AWS_ENDPOINT_URL"))
}

/// The SDK generates a type of its own for each service's settings; what is set is the same.
macro_rules! client {
    ($service:ident, $environment:expr, $budget:expr, $endpoint:literal) => {{
        let settings = settings($environment, $budget)?;
        let mut config = $service::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(settings.region)
            .credentials_provider(settings.credentials)
            .http_client(settings.http)
            .timeout_config(settings.timeouts)
            .retry_config(settings.retries);
        config.set_endpoint_url(endpoint($environment, $endpoint));
        Ok($service::Client::from_conf(config.build()))
    }};
}

/// A client of DynamoDB.
///
/// # Errors
/// [`ConfigError`] naming the variable.
pub fn dynamodb(environment: &Environment, budget: Budget) -> Result<aws_sdk_dynamodb::Client, ConfigError> {
    client!(aws_sdk_dynamodb, environment, budget, "AWS_ENDPOINT_URL_DYNAMODB")
}

/// A client of SNS.
///
/// # Errors
/// [`ConfigError`] naming the variable.
pub fn sns(environment: &Environment, budget: Budget) -> Result<aws_sdk_sns::Client, ConfigError> {
    client!(aws_sdk_sns, environment, budget, "AWS_ENDPOINT_URL_SNS")
}
