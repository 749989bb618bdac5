//! Publishing to SNS: push jobs, and whatever else leaves by a topic.

use std::sync::LazyLock;

use aws_sdk_sns::Client;
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sns::types::MessageAttributeValue;

use crate::aws;
use crate::budget::{self, Budget};
use crate::config::{ConfigError, Environment};
use crate::push::PushJob;

/// Why a message is not on its way.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// SNS said no, or nothing.
    #[error("SNS did not take the message ({code})")]
    Unavailable {
        /// SNS's word for it, or how the connection failed.
        code: String,
        /// What the SDK reported.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Not done within its budget.
    #[error("SNS did not answer in time")]
    TooSlow,
}

/// A topic in SNS. It uses `Publish` and nothing else.
#[derive(Debug)]
pub struct Topic {
    client: LazyLock<Result<Client, ConfigError>, MakeClient>,
    arn: String,
    budget: Budget,
}

type MakeClient = Box<dyn FnOnce() -> Result<Client, ConfigError> + Send>;

impl Topic {
    /// A topic by its ARN, through a client of one's own.
    pub fn new(client: Client, arn: String, budget: Budget) -> Self {
        Self { client: LazyLock::new(Box::new(|| Ok(client))), arn, budget }
    }

    /// The topic that a variable of the environment names, for messages that are hardly ever sent: its client, which is a good part of a function's start,
    /// is made when the first of them is.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable.
    pub fn rarely_used(environment: &Environment, variable: &'static str, budget: Budget) -> Result<Self, ConfigError> {
        let arn = environment.topic_arn(variable)?;
        let environment = environment.clone();
        let client = move || aws::sns(&environment, budget).map(|connected| connected.client);
        Ok(Self { client: LazyLock::new(Box::new(client)), arn, budget })
    }

    /// Publishes a message; once this is `Ok`, SNS delivers it.
    ///
    /// # Errors
    /// [`PublishError`] when SNS has not taken it within the budget. It may have taken it all the same and only its answer was lost.
    pub async fn publish(&self, body: &str, attributes: &[(&'static str, String)]) -> Result<(), PublishError> {
        let client = self.client.as_ref().map_err(|error| PublishError::Unavailable {
            code: "no_client".to_owned(),
            source: error.clone().into(),
        })?;
        let mut message = client.publish().topic_arn(&self.arn).message(body);
        for (name, text) in attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(text).build();
            let value = value.map_err(|error| PublishError::Unavailable {
                code: "bad_attribute".to_owned(),
                source: error.into(),
            })?;
            message = message.message_attributes(*name, value);
        }
        match tokio::time::timeout(self.budget.whole, Box::pin(message.send())).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let error = SdkError::into_service_error(error);
                let code = error.code().unwrap_or("no_answer").to_owned();
                Err(PublishError::Unavailable { code, source: error.into() })
            }
            Err(_) => Err(PublishError::TooSlow),
        }
    }
}

/// Publishes a push job.
pub trait Publish {
    /// Hands the job over; once this is `Ok`, SNS delivers it.
    fn publish(&self, job: &PushJob) -> impl Future<Output = Result<(), PublishError>>;
}

/// The push jobs' topic.
#[derive(Debug)]
pub struct PushJobsTopic(Topic);

impl PushJobsTopic {
    /// A topic by its ARN, through a client of one's own.
    pub fn new(client: Client, arn: String) -> Self {
        Self(Topic::new(client, arn, budget::PUSH))
    }
}

impl Publish for PushJobsTopic {
    async fn publish(&self, job: &PushJob) -> Result<(), PublishError> {
        self.0.publish(job.body(), job.attributes()).await
    }
}
