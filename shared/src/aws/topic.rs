//! Publishing to SNS.

use std::collections::HashMap;
use std::sync::LazyLock;

use aws_sdk_sns::Client;
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};

use crate::aws::budget::Budget;
use crate::aws::client::{Failure, Service, Settings, is_arn_of};

/// Publishes messages.
pub trait Publish {
    /// Once this is `Ok`, SNS delivers the message. After an error it may deliver it too, if only
    /// the response was lost.
    fn publish(
        &self,
        body: &str,
        attributes: &[(&'static str, String)],
    ) -> impl Future<Output = Result<(), Failure>>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicArn(String);

impl TopicArn {
    pub fn parse(text: &str) -> Option<Self> {
        is_arn_of(text, "sns").then(|| Self(text.to_owned()))
    }
}

/// A message of a batch.
pub struct Message<'a> {
    pub body: &'a str,
    pub attributes: &'a [(&'static str, String)],
}

/// A topic in SNS. It only uses `Publish`.
#[derive(Debug)]
pub struct Topic {
    client: LazyLock<Client, Box<dyn FnOnce() -> Client + Send>>,
    arn: TopicArn,
    budget: Budget,
}

impl Topic {
    pub fn new(client: Client, arn: TopicArn, budget: Budget) -> Self {
        Self { client: LazyLock::new(Box::new(|| client)), arn, budget }
    }

    /// A topic for messages that are rarely sent. Its client is made when the first message is
    /// sent, because making it is a good part of a function's start.
    pub fn rarely_used(aws: Settings, arn: TopicArn, budget: Budget) -> Self {
        Self { client: LazyLock::new(Box::new(move || aws.sns(budget).client)), arn, budget }
    }
}

fn attribute_values(
    attributes: &[(&'static str, String)],
) -> Result<HashMap<String, MessageAttributeValue>, Failure> {
    let value = |text: &String| {
        let value = MessageAttributeValue::builder().data_type("String").string_value(text).build();
        value.map_err(|error| unavailable("bad_attribute", error))
    };
    attributes.iter().map(|(name, text)| Ok(((*name).to_owned(), value(text)?))).collect()
}

impl Topic {
    /// Publishes up to ten messages at once. If one of them fails, all count as failed.
    ///
    /// # Errors
    /// [`Failure`] if SNS did not take all of them, or did not answer. It may have taken some.
    pub async fn publish_all(&self, messages: &[Message<'_>]) -> Result<(), Failure> {
        let mut batch = self.client.publish_batch().topic_arn(&self.arn.0);
        for (place, message) in messages.iter().enumerate() {
            let entry = PublishBatchRequestEntry::builder()
                .id(place.to_string())
                .message(message.body)
                .set_message_attributes(Some(attribute_values(message.attributes)?));
            let entry = entry.build().map_err(|error| unavailable("bad_message", error))?;
            batch = batch.publish_batch_request_entries(entry);
        }
        match tokio::time::timeout(self.budget.whole, Box::pin(batch.send())).await {
            Ok(Ok(answer)) => match answer.failed().first() {
                None => Ok(()),
                Some(failed) => Err(unavailable(failed.code(), NotTaken)),
            },
            Ok(Err(error)) => {
                let error = SdkError::into_service_error(error);
                let code = error.code().unwrap_or("no_answer").to_owned();
                Err(unavailable(&code, error))
            }
            Err(_) => Err(Failure::TooSlow(Service::Sns)),
        }
    }
}

/// SNS took a batch, but not this message of it.
#[derive(Debug, thiserror::Error)]
#[error("SNS refused a message of a batch")]
struct NotTaken;

impl Publish for Topic {
    async fn publish(&self, body: &str, attributes: &[(&'static str, String)]) -> Result<(), Failure> {
        let message = self.client.publish().topic_arn(&self.arn.0).message(body);
        let message = message.set_message_attributes(Some(attribute_values(attributes)?));
        // The SDK's futures are nested so deep that the compiler gives up on their holders; a box
        // ends the nesting.
        match tokio::time::timeout(self.budget.whole, Box::pin(message.send())).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let error = SdkError::into_service_error(error);
                let code = error.code().unwrap_or("no_answer").to_owned();
                Err(unavailable(&code, error))
            }
            Err(_) => Err(Failure::TooSlow(Service::Sns)),
        }
    }
}

fn unavailable(code: &str, error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::Unavailable { service: Service::Sns, code: code.to_owned(), source: error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_named_by_its_arn() {
        assert!(TopicArn::parse("arn:aws-cn:sns:cn-north-1:1:jobs").is_some());
        for text in
            ["jobs", "arn:aws:sqs:eu-west-1:1:jobs", "arn:aws:sns:eu-west-1:1", "arn:aws:sns:eu-west-1:1:"]
        {
            assert!(TopicArn::parse(text).is_none(), "{text}");
        }
    }
}
