//! The environment, read once at start. A function does not start with a variable that is missing or makes no sense, and says which.

use crate::access::{AllowList, TokenDigests};
use crate::record::Retention;

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

type Lookup = dyn Fn(&str) -> Option<String>;

/// The variables of a process, or of a test.
pub struct Environment {
    lookup: Box<Lookup>,
}

impl Environment {
    /// The process's own.
    pub fn of_process() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    /// Variables from anywhere.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + 'static) -> Self {
        Self { lookup: Box::new(lookup) }
    }

    /// `CALLBACK_TOKEN_SHA256`: one or two digests.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn token_digests(&self) -> Result<TokenDigests, ConfigError> {
        self.parsed(
            "CALLBACK_TOKEN_SHA256",
            "one or two SHA-256 digests of 64 hex digits, separated by a comma",
            TokenDigests::parse,
        )
    }

    /// `LINE_SERVICE_IDS`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn line_service_ids(&self) -> Result<AllowList, ConfigError> {
        self.parsed("LINE_SERVICE_IDS", "service ids separated by commas, or the word any", AllowList::parse)
    }

    /// `TENCENT_SDK_APP_IDS`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn tencent_sdk_app_ids(&self) -> Result<AllowList, ConfigError> {
        self.parsed("TENCENT_SDK_APP_IDS", "SDKAppIDs separated by commas, or the word any", AllowList::parse)
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

    /// `PUSH_JOBS_TOPIC_ARN`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn push_jobs_topic_arn(&self) -> Result<String, ConfigError> {
        self.parsed("PUSH_JOBS_TOPIC_ARN", "an SNS topic's ARN", |text| is_arn_of(text, "sns").then(|| text.to_owned()))
    }

    /// `RETENTION_DAYS`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn retention(&self) -> Result<Retention, ConfigError> {
        self.parsed("RETENTION_DAYS", "a number of days from 1 to 36500", Retention::parse)
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

    fn with(name: &'static str, value: &'static str) -> Environment {
        Environment::new(move |asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn what_is_missing_or_malformed_is_named_and_its_value_is_not() {
        let missing = with("X", "y").token_digests().unwrap_err();
        assert_eq!(missing.to_string(), "environment variable CALLBACK_TOKEN_SHA256 is missing");
        let malformed = with("CALLBACK_TOKEN_SHA256", "my-secret-token").token_digests().unwrap_err().to_string();
        assert!(malformed.contains("CALLBACK_TOKEN_SHA256") && !malformed.contains("my-secret-token"), "{malformed}");
    }

    #[test]
    fn an_allow_list_must_name_somebody() {
        assert_eq!(with("LINE_SERVICE_IDS", "  ").line_service_ids(), Err(ConfigError::Missing("LINE_SERVICE_IDS")));
        assert!(matches!(with("LINE_SERVICE_IDS", ",,").line_service_ids(), Err(ConfigError::Malformed { .. })));
        assert_eq!(with("TENCENT_SDK_APP_IDS", "any").tencent_sdk_app_ids(), Ok(AllowList::Any));
    }

    #[test]
    fn names_of_aws_things_are_checked_for_their_shape() {
        assert!(with("RECORDS_TABLE", "ringback-RecordsTable-1A").records_table().is_ok());
        assert!(with("RECORDS_TABLE", "arn:aws:dynamodb:eu-west-1:1:table/x").records_table().is_ok());
        assert!(with("RECORDS_TABLE", "a b").records_table().is_err());
        assert!(with("PUSH_JOBS_TOPIC_ARN", "arn:aws-cn:sns:cn-north-1:1:jobs").push_jobs_topic_arn().is_ok());
        for text in ["jobs", "arn:aws:sqs:eu-west-1:1:jobs", "arn:aws:sns:eu-west-1:1", "arn:aws:sns:eu-west-1:1:"] {
            assert!(with("PUSH_JOBS_TOPIC_ARN", text).push_jobs_topic_arn().is_err(), "{text}");
        }
    }
}
