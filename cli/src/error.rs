//! What stops a command, in a sentence.

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_smithy_runtime_api::client::result::SdkError;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub(crate) struct Stop(String);

impl Stop {
    /// An error of the library, with its cause.
    pub(crate) fn from_error(error: impl std::error::Error) -> Self {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        Self::new(format!("{error}{cause}"))
    }

    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }

    /// AWS refused something, or could not be asked.
    pub(crate) fn aws<E, R>(doing: &str) -> impl Fn(SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        move |error| {
            let why = match &error {
                SdkError::ServiceError(refused) => {
                    let meta = refused.err().meta();
                    let said = meta.message().or(meta.code()).map(str::to_owned);
                    said.unwrap_or_else(|| DisplayErrorContext(&error).to_string())
                }
                other => DisplayErrorContext(other).to_string(),
            };
            Self(format!("cannot {doing}: {}", why.split_whitespace().collect::<Vec<_>>().join(" ")))
        }
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}
