//! Publishing to SNS.

use std::sync::LazyLock;

use aws_sdk_sns::Client;
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sns::types::MessageAttributeValue;

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

impl Publish for Topic {
    async fn publish(&self, body: &str, attributes: &[(&'static str, String)]) -> Result<(), Failure> {
        let mut message = self.client.publish().topic_arn(&self.arn.0).message(body);
        for (name, text) in attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(text).build();
            let value = value.map_err(|error| unavailable("bad_attribute", error))?;
            message = message.message_attributes(*name, value);
        }
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
