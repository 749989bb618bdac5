//! The environment, read once at start. A function does not start with a variable that is missing or makes no sense, and says which.

use std::sync::Arc;

use crate::access::{AllowList, Gate, SignatureCheck, SourceCheck, TokenDigests};
use crate::model::Provider;
use crate::record::Retention;
use crate::route::Route;
use crate::signature::SigningToken;
use crate::sources::Sources;

/// A variable that keeps a function from starting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not set, or empty.
    #[error("environment variable {0} is missing")]
    Missing(&'static str),
    /// Set to something that cannot be used. The value is not told: it may be a secret in the wrong place.
    #[error("environment variable {name} is malformed: it must be {expected}")]
    Malformed {
        /// The variable.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// The variables of a process, or of a test.
#[derive(Clone)]
pub struct Environment {
    lookup: Arc<Lookup>,
}

impl Environment {
    /// The process's own.
    pub fn of_process() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    /// Variables from anywhere.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { lookup: Arc::new(lookup) }
    }

    /// The door of a route: `CALLBACK_TOKEN_SHA256`, and of LINE `LINE_SERVICE_IDS` and `LINE_SOURCE_CIDRS`, of Tencent `TENCENT_SDK_APP_IDS`,
    /// `TENCENT_SOURCE_CIDRS` and `TENCENT_CALLBACK_TOKEN`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn gate(&self, route: &'static Route) -> Result<Gate, ConfigError> {
        let tokens = self.parsed(
            "CALLBACK_TOKEN_SHA256",
            "one or two SHA-256 digests of 64 hex digits, separated by a comma",
            TokenDigests::parse,
        )?;
        let (allowed, sources, signature) = match route.provider {
            Provider::Line => (
                self.parsed("LINE_SERVICE_IDS", "service ids separated by commas, or the word any", AllowList::parse)?,
                self.sources("LINE_SOURCE_CIDRS")?,
                SignatureCheck::NoVerification,
            ),
            Provider::Tencent => (
                self.parsed("TENCENT_SDK_APP_IDS", "SDKAppIDs separated by commas, or the word any", AllowList::parse)?,
                self.sources("TENCENT_SOURCE_CIDRS")?,
                self.tencent_signature()?,
            ),
        };
        Ok(Gate::new(route, tokens, allowed, sources, signature))
    }

    fn sources(&self, name: &'static str) -> Result<SourceCheck, ConfigError> {
        let expected = "address ranges such as 192.0.2.0/24, separated by commas";
        let listed = self.parsed_if_set(name, expected, Sources::parse)?;
        Ok(listed.map_or(SourceCheck::AnySource, SourceCheck::Listed))
    }

    fn tencent_signature(&self) -> Result<SignatureCheck, ConfigError> {
        let token =
            self.parsed_if_set("TENCENT_CALLBACK_TOKEN", "a token of 1 to 128 characters", SigningToken::parse)?;
        Ok(token.map_or(SignatureCheck::NoVerification, SignatureCheck::Tencent))
    }

    /// `RECORDS_TABLE`: a table's name or ARN.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn records_table(&self) -> Result<String, ConfigError> {
        self.parsed("RECORDS_TABLE", "a table's name of 3 to 255 letters, digits, _, - and ., or its ARN", |text| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            let is_name = (3..=255).contains(&text.len()) && text.bytes().all(allowed);
            (is_name || is_arn_of(text, "dynamodb")).then(|| text.to_owned())
        })
    }

    /// The ARN of an SNS topic.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn topic_arn(&self, name: &'static str) -> Result<String, ConfigError> {
        self.parsed(name, "an SNS topic's ARN", |text| is_arn_of(text, "sns").then(|| text.to_owned()))
    }

    /// `RETENTION_DAYS`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn retention(&self) -> Result<Retention, ConfigError> {
        self.parsed("RETENTION_DAYS", "a number of days from 1 to 36500", Retention::parse)
    }

    /// `METRICS_NAMESPACE`: where CloudWatch puts a function's metrics, `Ringback` unless set. A stack has its own, so that two in an account do not mix.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn metrics_namespace(&self) -> Result<String, ConfigError> {
        let expected = "1 to 255 letters, digits, ., -, _, /, # and :, not beginning with AWS/ or :";
        let namespace = self.parsed_if_set("METRICS_NAMESPACE", expected, |text| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#:".contains(&byte);
            let is_ours = !text.starts_with("AWS/") && !text.starts_with(':');
            (text.len() <= 255 && is_ours && text.bytes().all(allowed)).then(|| text.to_owned())
        })?;
        Ok(namespace.unwrap_or_else(|| "Ringback".to_owned()))
    }

    /// A variable that must be set.
    ///
    /// # Errors
    /// [`ConfigError::Missing`].
    pub fn required(&self, name: &'static str) -> Result<String, ConfigError> {
        self.optional(name).ok_or(ConfigError::Missing(name))
    }

    /// A variable that may be set; an empty one is not.
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|text| !text.trim().is_empty())
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

    fn parsed<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        parse(&self.required(name)?).ok_or(ConfigError::Malformed { name, expected })
    }
}

fn is_arn_of(text: &str, service: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    parts.next() == Some("arn")
        && parts.next().is_some_and(|partition| !partition.is_empty())
        && parts.next() == Some(service)
        && parts.nth(2).is_some_and(|resource| !resource.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route;

    fn with(name: &'static str, value: &'static str) -> Environment {
        Environment::new(move |asked| (asked == name).then(|| value.to_owned()))
    }

    const DIGEST: (&str, &str) =
        ("CALLBACK_TOKEN_SHA256", "128221626c643cda6c13a4375b74d2a0086abe6df589f4f5fcdb5a036ef9329e");

    fn gate(route: &'static Route, variables: &[(&'static str, &'static str)]) -> Result<Gate, ConfigError> {
        let variables = variables.to_vec();
        let value = move |asked: &str| variables.iter().find(|(name, _)| *name == asked).map(|(_, value)| *value);
        Environment::new(move |asked| value(asked).map(str::to_owned)).gate(route)
    }

    #[test]
    fn what_is_missing_or_malformed_is_named_and_its_value_is_not() {
        let missing = gate(&route::NOTIFY, &[]).unwrap_err();
        assert_eq!(missing.to_string(), "environment variable CALLBACK_TOKEN_SHA256 is missing");
        let malformed = gate(&route::NOTIFY, &[("CALLBACK_TOKEN_SHA256", "my-secret-token")]).unwrap_err().to_string();
        assert!(malformed.contains("CALLBACK_TOKEN_SHA256") && !malformed.contains("my-secret-token"), "{malformed}");
    }

    #[test]
    fn an_allow_list_must_name_somebody() {
        let line = |ids| gate(&route::NOTIFY, &[DIGEST, ("LINE_SERVICE_IDS", ids)]).err();
        assert_eq!(line("  "), Some(ConfigError::Missing("LINE_SERVICE_IDS")));
        assert!(matches!(line(",,"), Some(ConfigError::Malformed { name: "LINE_SERVICE_IDS", .. })));
        assert_eq!(line("any"), None);
    }

    #[test]
    fn a_check_that_is_asked_for_must_make_sense() {
        let tencent = |variable| gate(&route::TENCENT_CALL_EVENT, &[DIGEST, ("TENCENT_SDK_APP_IDS", "any"), variable]);
        assert!(tencent(("TENCENT_CALLBACK_TOKEN", "xxxxyyyy")).is_ok());
        let malformed = tencent(("TENCENT_SOURCE_CIDRS", "somewhere")).unwrap_err();
        assert!(malformed.to_string().contains("TENCENT_SOURCE_CIDRS"));
    }

    #[test]
    fn metrics_go_where_cloudwatch_takes_them() {
        let namespace = |value| with("METRICS_NAMESPACE", value).metrics_namespace();
        assert_eq!(with("ANOTHER", "x").metrics_namespace().unwrap(), "Ringback");
        assert_eq!(namespace("Ringback/prod-eu").unwrap(), "Ringback/prod-eu");
        for text in ["AWS/Lambda", ":x", "a b", "a\"b", "é"] {
            assert!(namespace(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_of_aws_things_are_checked_for_their_shape() {
        assert!(with("RECORDS_TABLE", "ringback-RecordsTable-1A").records_table().is_ok());
        assert!(with("RECORDS_TABLE", "arn:aws:dynamodb:eu-west-1:1:table/x").records_table().is_ok());
        assert!(with("RECORDS_TABLE", "a b").records_table().is_err());
        assert!(
            with("PUSH_JOBS_TOPIC_ARN", "arn:aws-cn:sns:cn-north-1:1:jobs").topic_arn("PUSH_JOBS_TOPIC_ARN").is_ok()
        );
        for text in ["jobs", "arn:aws:sqs:eu-west-1:1:jobs", "arn:aws:sns:eu-west-1:1", "arn:aws:sns:eu-west-1:1:"] {
            assert!(with("PUSH_JOBS_TOPIC_ARN", text).topic_arn("PUSH_JOBS_TOPIC_ARN").is_err(), "{text}");
        }
    }
}
