//! The environment, parsed once at start into typed settings. Making clients from them cannot fail.
//!
//! This file asks for every variable; each vendor names its own in its
//! [`Vendor`](crate::door::vendor::Vendor). A function does not start with a variable that is
//! missing or malformed, and its log names the variable.

use aws_sdk_dynamodb::config::Credentials;

use crate::aws::{self, dynamodb::TableName, topic::TopicArn, trust::Trust};
use crate::call::record::Retention;
use crate::door::access::{AllowList, Gate, SignatureCheck, SourceCheck, TokenDigests};
use crate::door::sources::Sources;
use crate::door::{callback::Callback, route::Route};
use crate::history::SHARDS;
use crate::history::read::{dynamodb::Tables, live::LISTED_HOURS};
use crate::history::rows::Layout;
use crate::lambda::history::request::TokenUsers;
use crate::lambda::{api::jwt::JwtUsers, logging::LogControls, metrics::Namespace};
use crate::line::LINE;
use crate::ring::{push::PushSettings, verdict::RingWhenNoDevice};
use crate::tencent::TENCENT;

/// An environment variable that keeps a function from starting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not set, or empty.
    #[error("environment variable {0} is missing")]
    Missing(&'static str),
    /// The value is not shown: it may be a secret.
    #[error("environment variable {name} is malformed: it must be {expected}")]
    Malformed { name: &'static str, expected: &'static str },
}

/// The settings of a function that records a callback.
#[derive(Debug)]
pub struct RecorderSettings {
    pub callback: Callback,
    pub gate: Gate,
    pub table: TableName,
    pub retention: Retention,
    pub spool: TopicArn,
    pub aws: aws::Settings,
}

impl RecorderSettings {
    pub fn from_env(environment: &Environment, callback: Callback) -> Result<Self, ConfigError> {
        Ok(Self {
            callback,
            gate: environment.gate(callback.route)?,
            table: environment.records_table()?,
            retention: environment.retention()?,
            spool: environment.topic("SPOOL_TOPIC_ARN")?,
            aws: environment.aws()?,
        })
    }
}

/// The settings of a function that publishes push jobs.
#[derive(Debug)]
pub struct NotifierSettings {
    pub gate: Gate,
    pub push_jobs: TopicArn,
    /// `None`: no keys are given, and the subscribers of the push jobs ring the phones.
    pub ringing: Option<RingingSettings>,
    pub aws: aws::Settings,
}

/// The settings of ringing.
#[derive(Debug)]
pub struct RingingSettings {
    pub table: TableName,
    pub when_no_device: RingWhenNoDevice,
    pub push: PushSettings,
}

impl NotifierSettings {
    pub fn from_env(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            gate: environment.gate(&crate::line::NOTIFY)?,
            push_jobs: environment.topic("PUSH_JOBS_TOPIC_ARN")?,
            ringing: environment.ringing()?,
            aws: environment.aws()?,
        })
    }
}

/// The settings of the function that writes spooled records.
#[derive(Debug)]
pub struct ReplayerSettings {
    pub table: TableName,
    pub retention: Retention,
    pub dead_letters: TopicArn,
    /// Where rows of calls are made again; `None` without the reading side.
    pub views: Option<(TableName, Layout)>,
    pub aws: aws::Settings,
}

impl ReplayerSettings {
    pub fn from_env(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            table: environment.records_table()?,
            retention: environment.retention()?,
            dead_letters: environment.topic("DEAD_LETTERS_TOPIC_ARN")?,
            views: match environment.optional("VIEWS_TABLE") {
                Some(_) => Some((environment.table("VIEWS_TABLE")?, environment.layout()?)),
                None => None,
            },
            aws: environment.aws()?,
        })
    }
}

/// The settings of the function that follows the stream of records.
#[derive(Debug)]
pub struct ProjectorSettings {
    pub records: TableName,
    pub views: TableName,
    pub figures: TableName,
    pub layout: Layout,
    pub calls: TopicArn,
    pub spool: TopicArn,
    pub aws: aws::Settings,
}

impl ProjectorSettings {
    pub fn from_env(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            records: environment.records_table()?,
            views: environment.table("VIEWS_TABLE")?,
            figures: environment.table("FIGURES_TABLE")?,
            layout: environment.layout()?,
            calls: environment.topic("CALLS_TOPIC_ARN")?,
            spool: environment.topic("SPOOL_TOPIC_ARN")?,
            aws: environment.aws()?,
        })
    }
}

/// The settings of the function that registers devices.
#[derive(Debug)]
pub struct DevicesSettings {
    pub table: TableName,
    /// `None`: apps cannot register themselves.
    pub jwt_users: Option<JwtUsers>,
    pub aws: aws::Settings,
}

impl DevicesSettings {
    pub fn from_env(environment: &Environment) -> Result<Self, ConfigError> {
        let (table, jwt_users) = (environment.table("DEVICES_TABLE")?, environment.jwt_users()?);
        Ok(Self { table, jwt_users, aws: environment.aws()? })
    }
}

/// The settings of the function that reads calls.
#[derive(Debug)]
pub struct HistorySettings {
    pub tables: Tables,
    pub shards: u32,
    /// Hours of silence after which a live call is stale.
    pub stale_hours: u64,
    /// `None`: apps cannot read the calls of their users.
    pub token_users: Option<TokenUsers>,
    pub aws: aws::Settings,
}

impl HistorySettings {
    pub fn from_env(environment: &Environment) -> Result<Self, ConfigError> {
        let provider = |text: &str| [LINE.name, TENCENT.name].into_iter().find(|name| *name == text);
        let provider = environment.parsed_if_set("JWT_PROVIDER", "line or tencent", provider)?;
        let users = environment.jwt_users()?;
        let token_users = users.map(|users| TokenUsers { users, provider: provider.unwrap_or(LINE.name) });
        let hours = |text: &str| text.trim().parse().ok().filter(|hours| (1..=LISTED_HOURS).contains(hours));
        let tables = Tables {
            records: environment.records_table()?,
            views: environment.table("VIEWS_TABLE")?,
            figures: environment.table("FIGURES_TABLE")?,
        };
        Ok(Self {
            tables,
            shards: environment.shards()?,
            stale_hours: environment
                .parsed_if_set("STALE_HOURS", "a number from 1 to 24", hours)?
                .unwrap_or(2),
            token_users,
            aws: environment.aws()?,
        })
    }
}

type Lookup = dyn Fn(&str) -> Option<String>;

/// The variables of a process or of a test.
pub struct Environment {
    lookup: Box<Lookup>,
}

impl Environment {
    pub fn from_process() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    pub fn new(lookup: impl Fn(&str) -> Option<String> + 'static) -> Self {
        Self { lookup: Box::new(lookup) }
    }

    /// Variables of a test.
    #[cfg(any(test, feature = "testing"))]
    pub fn from_pairs(variables: &[(&'static str, &'static str)]) -> Self {
        let variables = variables.to_vec();
        Self::new(move |asked| {
            let (_, value) = variables.iter().find(|(name, _)| *name == asked)?;
            Some((*value).to_owned())
        })
    }

    /// The gate of a route.
    pub fn gate(&self, route: &'static Route) -> Result<Gate, ConfigError> {
        let vendor = route.vendor;
        let digests = "one or two SHA-256 digests of 64 hex digits, separated by a comma";
        let tokens = self.parsed("CALLBACK_TOKEN_SHA256", digests, TokenDigests::parse)?;
        let allowed =
            self.parsed(vendor.ids_variable.name, vendor.ids_variable.expected, AllowList::parse)?;
        let ranges = "address ranges such as 192.0.2.0/24, separated by commas";
        let sources = self.parsed_if_set(vendor.sources_variable, ranges, Sources::parse)?;
        let signature = match &vendor.signature {
            Some(scheme) => {
                self.parsed_if_set(scheme.variable.name, scheme.variable.expected, scheme.verifier)?
            }
            None => None,
        };
        let sources = sources.map_or(SourceCheck::AnySource, SourceCheck::Listed);
        let signature = signature.map_or(SignatureCheck::NoVerification, SignatureCheck::Verified);
        Ok(Gate::new(route, tokens, allowed, sources, signature))
    }

    pub fn retention(&self) -> Result<Retention, ConfigError> {
        self.parsed("RETENTION_DAYS", "a number of days from 1 to 36500", Retention::parse)
    }

    fn records_table(&self) -> Result<TableName, ConfigError> {
        self.table("RECORDS_TABLE")
    }

    fn table(&self, name: &'static str) -> Result<TableName, ConfigError> {
        let expected = "a DynamoDB table's name of 3 to 255 letters, digits, _, - and ., or its ARN";
        self.parsed(name, expected, TableName::parse)
    }

    fn shards(&self) -> Result<u32, ConfigError> {
        let shards = |text: &str| text.trim().parse().ok().filter(|shards| (1..=256).contains(shards));
        Ok(self.parsed_if_set("SHARDS", "a number from 1 to 256", shards)?.unwrap_or(SHARDS))
    }

    /// The users that a claim of a token names, where a service is set.
    fn jwt_users(&self) -> Result<Option<JwtUsers>, ConfigError> {
        let claim = self.optional("USER_CLAIM").unwrap_or_else(|| "sub".to_owned());
        let expected = "the id of the service that the users of the tokens belong to";
        self.parsed_if_set("JWT_SERVICE_ID", expected, |service| JwtUsers::new(service, &claim))
    }

    /// Ringing is on once a key is given.
    fn ringing(&self) -> Result<Option<RingingSettings>, ConfigError> {
        let keys = ["APNS_KEY_PARAMETER", "FCM_KEY_PARAMETER"].map(|name| self.optional(name));
        let [apns_key_parameter, fcm_key_parameter] = keys;
        if apns_key_parameter.is_none() && fcm_key_parameter.is_none() {
            return Ok(None);
        }
        let seconds = |text: &str| text.trim().parse().ok().filter(|seconds| (5..=60).contains(seconds));
        let push = PushSettings {
            apns_key_parameter,
            fcm_key_parameter,
            ring_seconds: self.parsed_if_set("RING_SECONDS", "a number from 5 to 60", seconds)?.unwrap_or(30),
            apns_url: self.optional("APNS_ENDPOINT_URL"),
            fcm_url: self.optional("FCM_ENDPOINT_URL"),
            trust: self
                .parsed_if_set("PUSH_CA_BUNDLE", "the path of a file with certificates in PEM", Trust::read)?
                .unwrap_or_default(),
        };
        let when_no_device =
            self.parsed_if_set("RING_WHEN_NO_DEVICE", "fail or accept", RingWhenNoDevice::parse)?;
        let table = self.table("DEVICES_TABLE")?;
        Ok(Some(RingingSettings { table, when_no_device: when_no_device.unwrap_or_default(), push }))
    }

    /// How the rows of calls are laid out.
    fn layout(&self) -> Result<Layout, ConfigError> {
        let users = self.optional("UNINDEXED_USERS").unwrap_or_default();
        Ok(Layout {
            shards: self.shards()?,
            unindexed: users
                .split(',')
                .map(|user| user.trim().to_owned())
                .filter(|user| !user.is_empty())
                .collect(),
        })
    }

    fn topic(&self, name: &'static str) -> Result<TopicArn, ConfigError> {
        self.parsed(name, "an SNS topic's ARN", TopicArn::parse)
    }

    /// Region, endpoints and credentials.
    pub fn aws(&self) -> Result<aws::Settings, ConfigError> {
        let everywhere = self.optional("AWS_ENDPOINT_URL");
        let url = |name| self.optional(name).or_else(|| everywhere.clone());
        let trust =
            self.parsed_if_set("AWS_CA_BUNDLE", "the path of a file with certificates in PEM", Trust::read)?;
        Ok(aws::Settings {
            region: self.parsed(
                "AWS_REGION",
                "a region's name, such as eu-west-1",
                aws::client::parse_region,
            )?,
            credentials: Credentials::new(
                self.required("AWS_ACCESS_KEY_ID")?,
                self.required("AWS_SECRET_ACCESS_KEY")?,
                self.optional("AWS_SESSION_TOKEN"),
                None,
                "environment",
            ),
            dynamodb_url: url("AWS_ENDPOINT_URL_DYNAMODB"),
            sns_url: url("AWS_ENDPOINT_URL_SNS"),
            ssm_url: url("AWS_ENDPOINT_URL_SSM"),
            trust: trust.unwrap_or_default(),
        })
    }

    /// Lambda sets both variables from the function's logging configuration.
    pub fn log_controls(&self) -> LogControls {
        let [level, format] =
            ["AWS_LAMBDA_LOG_LEVEL", "AWS_LAMBDA_LOG_FORMAT"].map(|name| self.optional(name));
        LogControls::parse(level.as_deref(), format.as_deref())
    }

    /// A stack has its own namespace, so that the metrics of two stacks in one account do not mix.
    pub fn metrics_namespace(&self) -> Result<Namespace, ConfigError> {
        let expected = "1 to 255 letters, digits, ., -, _, /, # and :, not beginning with AWS/ or :";
        Ok(self.parsed_if_set("METRICS_NAMESPACE", expected, Namespace::parse)?.unwrap_or_default())
    }

    /// A variable that may be set; an empty one is not.
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|text| !text.trim().is_empty())
    }

    fn required(&self, name: &'static str) -> Result<String, ConfigError> {
        self.optional(name).ok_or(ConfigError::Missing(name))
    }

    fn parsed<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        parse(&self.required(name)?).ok_or(ConfigError::Malformed { name, expected })
    }

    fn parsed_if_set<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.optional(name) else { return Ok(None) };
        parse(&text).map(Some).ok_or(ConfigError::Malformed { name, expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line;
    use crate::tencent;

    const DIGEST: (&str, &str) =
        ("CALLBACK_TOKEN_SHA256", "128221626c643cda6c13a4375b74d2a0086abe6df589f4f5fcdb5a036ef9329e");

    fn gate(route: &'static Route, variables: &[(&'static str, &'static str)]) -> Result<Gate, ConfigError> {
        Environment::from_pairs(variables).gate(route)
    }

    #[test]
    fn what_is_missing_or_malformed_is_named_and_its_value_is_not() {
        let missing = gate(&line::NOTIFY, &[]).unwrap_err();
        assert_eq!(missing.to_string(), "environment variable CALLBACK_TOKEN_SHA256 is missing");
        let malformed =
            gate(&line::NOTIFY, &[("CALLBACK_TOKEN_SHA256", "my-secret-token")]).unwrap_err().to_string();
        assert!(
            malformed.contains("CALLBACK_TOKEN_SHA256") && !malformed.contains("my-secret-token"),
            "{malformed}"
        );
    }

    #[test]
    fn an_allow_list_must_name_an_id() {
        let line = |ids| gate(&line::NOTIFY, &[DIGEST, ("LINE_SERVICE_IDS", ids)]).err();
        assert_eq!(line("  "), Some(ConfigError::Missing("LINE_SERVICE_IDS")));
        assert!(matches!(line(",,"), Some(ConfigError::Malformed { name: "LINE_SERVICE_IDS", .. })));
        assert_eq!(line("any"), None);
    }

    #[test]
    fn a_check_that_is_asked_for_must_make_sense() {
        let tencent =
            |variable| gate(&tencent::CALL_EVENT, &[DIGEST, ("TENCENT_SDK_APP_IDS", "any"), variable]);
        assert!(tencent(("TENCENT_CALLBACK_TOKEN", "xxxxyyyy")).is_ok());
        let malformed = tencent(("TENCENT_SOURCE_CIDRS", "somewhere")).unwrap_err();
        assert!(malformed.to_string().contains("TENCENT_SOURCE_CIDRS"));
    }

    #[test]
    fn ringing_is_off_without_keys_and_needs_a_table_with_them() {
        let ringing = |variables: &[_]| Environment::from_pairs(variables).ringing();
        let table = ("DEVICES_TABLE", "devices");
        assert!(ringing(&[table, ("RING_SECONDS", "30")]).unwrap().is_none());
        let key = ("APNS_KEY_PARAMETER", "/ringback/apns");
        assert_eq!(ringing(&[key]).err(), Some(ConfigError::Missing("DEVICES_TABLE")));
        let on = ringing(&[table, key]).unwrap().unwrap();
        assert_eq!((on.push.ring_seconds, on.when_no_device), (30, RingWhenNoDevice::Fail));
        for malformed in [("RING_SECONDS", "4"), ("RING_SECONDS", "61"), ("RING_WHEN_NO_DEVICE", "yes")] {
            let error = ringing(&[table, key, malformed]).unwrap_err();
            assert!(matches!(error, ConfigError::Malformed { name, .. } if name == malformed.0), "{error}");
        }
    }

    #[test]
    fn a_namespace_of_amazons_own_is_refused() {
        let namespace = |value| Environment::from_pairs(&[("METRICS_NAMESPACE", value)]).metrics_namespace();
        assert!(namespace("Ringback/prod-eu").is_ok());
        assert!(namespace("AWS/Lambda").unwrap_err().to_string().contains("METRICS_NAMESPACE"));
    }
}
