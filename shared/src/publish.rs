//! Publishing push jobs, to SNS.

use std::time::Duration;

use aws_sdk_sns::Client;
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sns::types::MessageAttributeValue;

use crate::aws;
use crate::config::{ConfigError, Environment};
use crate::push::PushJob;

/// The caller hears a ring tone that nobody else hears until this has passed; then it is released.
const PATIENCE: Duration = Duration::from_millis(1_800);

/// Why a push job is not on its way.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// SNS said no, or nothing.
    #[error("SNS did not take the push job ({code})")]
    Unavailable {
        /// SNS's word for it, or how the connection failed.
        code: String,
        /// What the SDK reported.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Not done within the time that a caller can be kept waiting.
    #[error("SNS did not answer in time")]
    TooSlow,
}

/// Publishes a push job.
pub trait Publish {
    /// Hands the job over; once this is `Ok`, SNS delivers it.
    fn publish(&self, job: &PushJob) -> impl Future<Output = Result<(), PublishError>>;
}

/// The push jobs' topic in SNS. It uses `Publish` and nothing else.
#[derive(Clone, Debug)]
pub struct PushJobsTopic {
    client: Client,
    topic_arn: String,
}

impl PushJobsTopic {
    /// The topic that the environment names.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn of(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self { client: aws::sns(environment)?, topic_arn: environment.push_jobs_topic_arn()? })
    }
}

impl Publish for PushJobsTopic {
    async fn publish(&self, job: &PushJob) -> Result<(), PublishError> {
        let mut message = self.client.publish().topic_arn(&self.topic_arn).message(job.body());
        for (name, text) in job.attributes() {
            let value = MessageAttributeValue::builder().data_type("String").string_value(text).build();
            let value = value.map_err(|error| PublishError::Unavailable {
                code: "bad_attribute".to_owned(),
                source: error.into(),
            })?;
            message = message.message_attributes(*name, value);
        }
        match tokio::time::timeout(PATIENCE, Box::pin(message.send())).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let error = SdkError::into_service_error(error);
                Err(PublishError::Unavailable {
                    code: error.code().unwrap_or("no_answer").to_owned(),
                    source: error.into(),
                })
            }
            Err(_) => Err(PublishError::TooSlow),
        }
    }
}
