//! The AWS clients, made by hand for a function's start: settings come from the variables that Lambda sets, there is one TLS stack, and every call
//! has its time-outs (the SDK has none of its own). `aws-config` would bring the credential sources of a developer's machine and two more SDK crates for them.
//!
//! A client comes with its [`Connections`], so that a function can open one before the first callback waits for a handshake.

use aws_sdk_dynamodb::config::http::HttpRequest;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, TlsContext, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings, SharedHttpConnector, http_client_fn};
use aws_smithy_types::byte_stream::ByteStream;
use futures_util::FutureExt;

use crate::budget::{self, Budget};
use crate::config::{ConfigError, Environment};
use crate::trust;

/// A client of a service with the connections that it uses.
#[derive(Debug)]
pub struct Connected<C> {
    /// The SDK's client.
    pub client: C,
    /// What it sends its requests over.
    pub connections: Connections,
}

/// The kept connections to one endpoint.
#[derive(Clone, Debug)]
pub struct Connections {
    service: &'static str,
    connector: SharedHttpConnector,
    endpoint: String,
}

impl Connections {
    fn to(
        service: &'static str,
        endpoint: String,
        environment: &Environment,
        budget: Budget,
    ) -> Result<Self, ConfigError> {
        let trusted = trust::authorities(environment, &endpoint)?;
        let context = TlsContext::builder().with_trust_store(trusted).build();
        let context = context.map_err(|_| ConfigError::Malformed {
            name: "AWS_CA_BUNDLE",
            expected: "certificates that can be an authority",
        })?;
        let connector = Connector::builder()
            .connector_settings(HttpConnectorSettings::builder().connect_timeout(budget.connect).build())
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context)
            .build();
        Ok(Self { service, connector: SharedHttpConnector::new(connector), endpoint })
    }

    /// The same connections for whatever the SDK sends. Its own client would make the TLS configuration twice, once to try it.
    fn client(&self) -> SharedHttpClient {
        let connector = self.connector.clone();
        http_client_fn(move |_, _| connector.clone())
    }

    /// Opens a connection and keeps it, so that a callback does not wait for a handshake: in a function's start the processor is not yet throttled to the
    /// function's share. It is asked for `/ping`, which AWS's endpoints answer to anybody, so that no permission is needed.
    /// What does not succeed within [`budget::WARM_UP`] is left to the first callback.
    pub async fn open(&self) {
        if !tokio::time::timeout(budget::WARM_UP, self.ping()).await.unwrap_or(false) {
            tracing::warn!(service = self.service, "no connection yet");
        }
    }

    async fn ping(&self) -> bool {
        let url = format!("{}/ping", self.endpoint.trim_end_matches('/'));
        let Ok(request) = HttpRequest::get(url) else { return false };
        let Ok(response) = self.connector.call(request).await else { return false };
        // Only a connection whose answer was read to its end is used again.
        ByteStream::new(response.into_body()).collect().await.is_ok()
    }
}

/// Where a service is, when no variable says so: the SDK's rules for regions and partitions.
macro_rules! amazons_endpoint {
    ($service:ident, $region:expr) => {{
        use $service::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
        let resolver = DefaultResolver::new();
        let endpoint = Params::builder().region($region.clone()).build().ok().and_then(|params| {
            // The rules are a table in memory: the SDK's future of an endpoint never waits.
            resolver.resolve_endpoint(&params).now_or_never()?.ok()
        });
        endpoint
            .map(|endpoint| endpoint.url().to_owned())
            .ok_or(ConfigError::Malformed { name: "AWS_REGION", expected: "a region's name, such as eu-west-1" })
    }};
}

/// The SDK generates types of its own for each service; what is done with them is the same.
macro_rules! connected {
    ($service:ident, $name:literal, $environment:expr, $budget:expr, $endpoint:literal) => {{
        let environment: &Environment = $environment;
        let budget: Budget = $budget;
        let region = environment.required("AWS_REGION")?;
        let elsewhere = environment.optional($endpoint).or_else(|| environment.optional("AWS_ENDPOINT_URL"));
        let endpoint = match &elsewhere {
            Some(endpoint) => endpoint.clone(),
            None => amazons_endpoint!($service, region)?,
        };
        let credentials = Credentials::new(
            environment.required("AWS_ACCESS_KEY_ID")?,
            environment.required("AWS_SECRET_ACCESS_KEY")?,
            environment.optional("AWS_SESSION_TOKEN"),
            None,
            "environment",
        );
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(budget.connect)
            .operation_attempt_timeout(budget.attempt)
            .operation_timeout(budget.whole)
            .build();
        let retries =
            RetryConfig::standard().with_max_attempts(budget::ATTEMPTS).with_initial_backoff(budget::FIRST_PAUSE);
        let connections = Connections::to($name, endpoint, environment, budget)?;
        let mut config = $service::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(credentials)
            .http_client(connections.client())
            .timeout_config(timeouts)
            .retry_config(retries);
        config.set_endpoint_url(elsewhere);
        Ok(Connected { client: $service::Client::from_conf(config.build()), connections })
    }};
}

/// A client of DynamoDB, at `AWS_ENDPOINT_URL_DYNAMODB`, else `AWS_ENDPOINT_URL`, else Amazon's endpoint in the region.
///
/// # Errors
/// [`ConfigError`] naming the variable.
pub fn dynamodb(environment: &Environment, budget: Budget) -> Result<Connected<aws_sdk_dynamodb::Client>, ConfigError> {
    connected!(aws_sdk_dynamodb, "DynamoDB", environment, budget, "AWS_ENDPOINT_URL_DYNAMODB")
}

/// A client of SNS, at `AWS_ENDPOINT_URL_SNS`, else `AWS_ENDPOINT_URL`, else Amazon's endpoint in the region.
///
/// # Errors
/// [`ConfigError`] naming the variable.
pub fn sns(environment: &Environment, budget: Budget) -> Result<Connected<aws_sdk_sns::Client>, ConfigError> {
    connected!(aws_sdk_sns, "SNS", environment, budget, "AWS_ENDPOINT_URL_SNS")
}
