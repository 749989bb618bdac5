//! The records table in DynamoDB.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use serde_json::{Map, Value};

use crate::aws::client::{Failure, Service, is_arn_of};
use crate::aws::store::{CallPut, EventPut, Store};
use crate::call::record::Item;

/// A table's name or ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName(String);

impl TableName {
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        let is_name = (3..=255).contains(&text.len()) && text.bytes().all(allowed);
        (is_name || is_arn_of(text, "dynamodb")).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The records table. It only uses `PutItem`.
#[derive(Clone, Debug)]
pub struct DynamoDb {
    client: Client,
    table: TableName,
}

impl DynamoDb {
    pub fn new(client: Client, table: TableName) -> Self {
        Self { client, table }
    }
}

// The SDK's futures are nested so deep that the compiler gives up on their holders; a box ends the
// nesting.
impl Store for DynamoDb {
    async fn put_event(&self, item: Item) -> Result<EventPut, Failure> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table.0)
            .set_item(Some(attributes(item.into_attributes())))
            .condition_expression("attribute_not_exists(sid)");
        match Box::pin(put.send()).await.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(EventPut::Stored),
            Err(PutItemError::ConditionalCheckFailedException(_)) => Ok(EventPut::AlreadyThere),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn put_call(&self, item: Item, expected: Option<&str>) -> Result<CallPut, Failure> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table.0)
            .set_item(Some(attributes(item.into_attributes())))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match expected {
            None => put.condition_expression("attribute_not_exists(sid)"),
            Some(facts) => put
                .condition_expression("facts = :expected")
                .expression_attribute_values(":expected", AttributeValue::S(facts.to_owned())),
        };
        match Box::pin(put.send()).await.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(CallPut::Stored),
            Err(PutItemError::ConditionalCheckFailedException(refused)) => {
                let stored =
                    refused.item().and_then(|item| item.get("facts")).and_then(|facts| facts.as_s().ok());
                Ok(CallPut::Changed(stored.cloned()))
            }
            Err(error) => Err(unavailable(error)),
        }
    }
}

/// What an operation's error becomes.
pub(crate) fn unavailable(
    error: impl ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
) -> Failure {
    let code = error.code().unwrap_or("no_answer").to_owned();
    Failure::Unavailable { service: Service::DynamoDb, code, source: error.into() }
}

fn attributes(members: Map<String, Value>) -> HashMap<String, AttributeValue> {
    members.into_iter().map(|(name, value)| (name, attribute(value))).collect()
}

fn attribute(value: Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(flag) => AttributeValue::Bool(flag),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text),
        Value::Array(items) => AttributeValue::L(items.into_iter().map(attribute).collect()),
        Value::Object(members) => AttributeValue::M(attributes(members)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_by_its_name_or_its_arn() {
        for text in ["ringback-RecordsTable-1A", "arn:aws:dynamodb:eu-west-1:1:table/x"] {
            assert!(TableName::parse(text).is_some(), "{text}");
        }
        for text in ["a b", "ab", "arn:aws:sns:eu-west-1:1:table"] {
            assert!(TableName::parse(text).is_none(), "{text}");
        }
    }
}
