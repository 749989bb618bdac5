//! The AWS clients. There is one TLS stack, and every request has time-outs (the SDK sets none).
//! `aws-config` would add the credential sources of a developer's machine and two more SDK crates.
//!
//! A client comes with its [`Connections`], so that a function can open one before the first
//! callback arrives.

use aws_sdk_dynamodb::config::endpoint::ResolveEndpoint as _;
use aws_sdk_dynamodb::config::http::HttpRequest;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Credentials, IdentityCache, Region, SharedCredentialsProvider, SharedHttpClient,
    StalledStreamProtectionConfig, endpoint as dynamodb_endpoint,
};
use aws_sdk_sns::config::endpoint as sns_endpoint;
use aws_sdk_sns::config::endpoint::ResolveEndpoint as _;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, TlsContext, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorSettings, SharedHttpConnector, http_client_fn,
};
use aws_smithy_types::byte_stream::ByteStream;
use aws_types::SdkConfig;
use futures_util::FutureExt;

use crate::aws::budget::{self, Budget};
use crate::aws::ssm::Parameters;
use crate::aws::trust::Trust;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    DynamoDb,
    Sns,
    Ssm,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::DynamoDb => "DynamoDB",
            Self::Sns => "SNS",
            Self::Ssm => "SSM",
        }
    }

    fn takes(self) -> &'static str {
        match self {
            Self::DynamoDb => "item",
            Self::Sns => "message",
            Self::Ssm => "request",
        }
    }
}

/// Why a request to AWS failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// AWS refused, or did not answer.
    #[error("{} did not take the {} ({code})", service.name(), service.takes())]
    Unavailable {
        service: Service,
        /// AWS's error code, or `no_answer`.
        code: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Not within its budget.
    #[error("{} did not answer in time", .0.name())]
    TooSlow(Service),
}

impl Failure {
    /// Rows that DynamoDB left over again and again.
    pub(crate) fn throttled() -> Self {
        #[derive(Debug, thiserror::Error)]
        #[error("DynamoDB left rows over, because their keys are throttled")]
        struct LeftOver;
        let code = "ThrottlingException".to_owned();
        Self::Unavailable { service: Service::DynamoDb, code, source: LeftOver.into() }
    }

    /// An item that cannot be written as DynamoDB's.
    pub(crate) fn unwritable(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Unavailable { service: Service::DynamoDb, code: "unwritable".to_owned(), source: error.into() }
    }
}

/// What all clients of a function have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    pub region: Region,
    pub credentials: Credentials,
    /// Other endpoints than Amazon's own.
    pub dynamodb_url: Option<String>,
    pub sns_url: Option<String>,
    pub ssm_url: Option<String>,
    pub trust: Trust,
}

/// Reads a region's name. It becomes part of a host name, and the SDK has an endpoint for every
/// valid one.
pub fn parse_region(text: &str) -> Option<Region> {
    let is_host_label = (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    is_host_label.then(|| Region::new(text.to_owned()))
}

pub(crate) fn is_arn_of(text: &str, service: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    parts.next() == Some("arn")
        && parts.next().is_some_and(|partition| !partition.is_empty())
        && parts.next() == Some(service)
        && parts.nth(2).is_some_and(|resource| !resource.is_empty())
}

/// A client of a service with the connections that it uses.
#[derive(Debug)]
pub struct Connected<C> {
    pub client: C,
    pub connections: Connections,
}

impl Settings {
    pub fn dynamodb(&self, budget: Budget) -> Connected<aws_sdk_dynamodb::Client> {
        let endpoint = self.dynamodb_url.clone().or_else(|| self.amazons_dynamodb());
        let connections = Connections::new(Service::DynamoDb, endpoint, &self.trust, budget);
        let config = self.sdk_config(self.dynamodb_url.clone(), &connections, budget);
        Connected { client: aws_sdk_dynamodb::Client::new(&config), connections }
    }

    pub fn sns(&self, budget: Budget) -> Connected<aws_sdk_sns::Client> {
        let amazons = || {
            let params = sns_endpoint::Params::builder().region(self.region.to_string()).build().ok()?;
            sns_endpoint::DefaultResolver::new().resolve_endpoint(&params).now_or_never()?.ok()
        };
        let endpoint = self.sns_url.clone().or_else(|| Some(amazons()?.url().to_owned()));
        let connections = Connections::new(Service::Sns, endpoint, &self.trust, budget);
        let config = self.sdk_config(self.sns_url.clone(), &connections, budget);
        Connected { client: aws_sdk_sns::Client::new(&config), connections }
    }

    /// It is used in INIT, and again only when a key did not work. It opens its connection with its
    /// first request.
    pub fn ssm(&self, budget: Budget) -> Parameters {
        // Both services have the same suffix in every partition.
        let amazons = || Some(self.amazons_dynamodb()?.replacen("://dynamodb.", "://ssm.", 1));
        let endpoint = self.ssm_url.clone().or_else(amazons);
        let connections = Connections::new(Service::Ssm, endpoint, &self.trust, budget);
        Parameters { connections, region: self.region.clone(), credentials: self.credentials.clone(), budget }
    }

    fn amazons_dynamodb(&self) -> Option<String> {
        let params = dynamodb_endpoint::Params::builder().region(self.region.to_string()).build().ok()?;
        // The rules are a table in memory, so this future is ready at once.
        let resolved = dynamodb_endpoint::DefaultResolver::new().resolve_endpoint(&params).now_or_never()?;
        Some(resolved.ok()?.url().to_owned())
    }

    fn sdk_config(&self, url: Option<String>, connections: &Connections, budget: Budget) -> SdkConfig {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(budget.connect)
            .operation_attempt_timeout(budget.attempt)
            .operation_timeout(budget.whole)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(budget::ATTEMPTS)
            .with_initial_backoff(budget::FIRST_PAUSE);
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(self.region.clone())
            .credentials_provider(SharedCredentialsProvider::new(self.credentials.clone()))
            .http_client(connections.http_client())
            .timeout_config(timeouts)
            .retry_config(retries)
            // The time-outs above end a stalled request too, and the credentials never change. A
            // request that watches no bodies and has no cache takes 2 % fewer instructions.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .identity_cache(IdentityCache::no_cache());
        config.set_endpoint_url(url);
        config.build()
    }
}

/// The pooled connections to one endpoint.
#[derive(Clone, Debug)]
pub struct Connections {
    service: Service,
    connector: SharedHttpConnector,
    endpoint: String,
}

impl Connections {
    fn new(service: Service, endpoint: Option<String>, trust: &Trust, budget: Budget) -> Self {
        // A parsed region always has an endpoint. Without one, only the warm-up would be missing.
        let endpoint = endpoint.unwrap_or_default();
        // Building a context only keeps the certificates.
        let context =
            TlsContext::builder().with_trust_store(trust.store_for(&endpoint)).build().unwrap_or_default();
        let connector = Connector::builder()
            .connector_settings(HttpConnectorSettings::builder().connect_timeout(budget.connect).build())
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context)
            .build();
        Self { service, connector: SharedHttpConnector::new(connector), endpoint }
    }

    /// A client that uses these connections. The SDK's own would build the TLS configuration twice.
    fn http_client(&self) -> SharedHttpClient {
        let connector = self.connector.clone();
        http_client_fn(move |_, _| connector.clone())
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(super) fn connector(&self) -> &SharedHttpConnector {
        &self.connector
    }

    /// Opens a connection in INIT, where Lambda does not yet throttle the CPU, so that the first
    /// callback need not wait for a handshake. AWS's endpoints answer `/ping` without credentials,
    /// so no permission is needed. After [`budget::WARM_UP`] it gives up; the first callback then
    /// opens the connection.
    pub async fn open(&self) {
        if !tokio::time::timeout(budget::WARM_UP, self.ping()).await.unwrap_or(false) {
            tracing::warn!(service = self.service.name(), "the connection is not open yet");
        }
    }

    async fn ping(&self) -> bool {
        let url = format!("{}/ping", self.endpoint.trim_end_matches('/'));
        let Ok(request) = HttpRequest::get(url) else { return false };
        let Ok(response) = self.connector.call(request).await else { return false };
        // A connection is reused only after its response was read to the end.
        ByteStream::new(response.into_body()).collect().await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_a_part_of_a_hosts_name() {
        for text in ["eu-west-1", "us-gov-east-1", "cn-north-1"] {
            assert!(parse_region(text).is_some(), "{text}");
        }
        for text in ["", "eu west", "-x", "x-", "eu_west", "evil.example/"] {
            assert!(parse_region(text).is_none(), "{text}");
        }
    }
}
