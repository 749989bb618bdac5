//! The writing side of the tables and of the topic, on AWS.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, PutRequest, ReturnValuesOnConditionCheckFailure, WriteRequest,
};

use crate::aws::Failure;
use crate::aws::dynamodb::{TableName, unavailable};
use crate::aws::topic::{Message, Topic};
use crate::history::figures::{Figures, Period};
use crate::history::key;
use crate::history::news::News;
use crate::history::plan::Stay;
use crate::history::projector::{AddFigures, Added, Tell, WriteRows};
use crate::history::rows::{Key, Row};
use crate::history::stream::Sequence;

type Item = HashMap<String, AttributeValue>;

/// Attempts at rows that DynamoDB leaves over of a request, which says that their keys are throttled.
const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The views table, written. It uses `BatchWriteItem` and `UpdateItem`.
#[derive(Clone, Debug)]
pub struct ViewsTable {
    client: Client,
    table: TableName,
}

/// The figures table, written. It uses `UpdateItem` and `PutItem`.
#[derive(Clone, Debug)]
pub struct FiguresTable {
    client: Client,
    table: TableName,
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn key_item(key: &Key) -> Item {
    Item::from([("pk".to_owned(), text(&key.0)), ("sk".to_owned(), text(&key.1))])
}

pub(super) fn key_of(item: &Item) -> Option<Key> {
    let part = |name| item.get(name)?.as_s().ok().cloned();
    Some((part("pk")?, part("sk")?))
}

/// The item of a row.
pub fn item(key: &Key, row: &Row) -> Result<Item, Failure> {
    let mut item: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(row).map_err(Failure::unwritable)?;
    for name in SETS {
        if let Some(AttributeValue::L(list)) = item.get(name) {
            let set = set(list);
            item.insert(name.to_owned(), set);
        }
    }
    item.extend(key_item(key));
    Ok(item)
}

/// Attributes to which events add: a list could not be added to.
const SETS: [&str; 3] = ["came", "left", "medias"];

fn set(list: &[AttributeValue]) -> AttributeValue {
    let numbers: Vec<String> = list.iter().filter_map(|value| value.as_n().ok().cloned()).collect();
    if numbers.len() == list.len() {
        return AttributeValue::Ns(numbers);
    }
    AttributeValue::Ss(list.iter().filter_map(|value| value.as_s().ok().cloned()).collect())
}

impl ViewsTable {
    pub fn new(client: Client, table: TableName) -> Self {
        Self { client, table }
    }

    fn request(key: &Key, row: Option<&Row>) -> Result<WriteRequest, Failure> {
        let request = WriteRequest::builder();
        Ok(match row {
            Some(row) => {
                let put = PutRequest::builder().set_item(Some(item(key, row)?)).build();
                request.put_request(put.map_err(Failure::unwritable)?).build()
            }
            None => {
                let delete = DeleteRequest::builder().set_key(Some(key_item(key))).build();
                request.delete_request(delete.map_err(Failure::unwritable)?).build()
            }
        })
    }
}

impl WriteRows for ViewsTable {
    async fn write(&self, rows: &[(Key, Option<Row>)]) -> Result<Vec<Key>, Failure> {
        let mut left = rows
            .iter()
            .map(|(key, row)| Self::request(key, row.as_ref()))
            .collect::<Result<Vec<WriteRequest>, Failure>>()?;
        for attempt in 0..ATTEMPTS {
            if left.is_empty() {
                return Ok(Vec::new());
            }
            if attempt > 0 {
                let longest = FIRST_PAUSE * 2_u32.pow(attempt - 1);
                tokio::time::sleep(longest.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            }
            let request = self.client.batch_write_item().request_items(self.table.as_str(), left.clone());
            let unprocessed = match Box::pin(request.send()).await.map_err(SdkError::into_service_error) {
                Ok(written) => written.unprocessed_items,
                // It took none of them: one hot key is enough for that, if all of them are its own.
                Err(error) if is_throttled(&error) => continue,
                Err(error) => return Err(unavailable(error)),
            };
            left = unprocessed.into_iter().flatten().flat_map(|(_, requests)| requests).collect();
        }
        let key = |request: &WriteRequest| {
            let put = request.put_request().map(PutRequest::item);
            key_of(put.or_else(|| request.delete_request().map(DeleteRequest::key))?)
        };
        Ok(left.iter().filter_map(key).collect())
    }

    async fn add(&self, key: &Key, stay: &Stay) -> Result<bool, Failure> {
        let constant: Item =
            serde_dynamo::aws_sdk_dynamodb_1::to_item(&stay.row).map_err(Failure::unwritable)?;
        let numbers = |moments: &std::collections::BTreeSet<u64>| {
            (!moments.is_empty()).then(|| AttributeValue::Ns(moments.iter().map(u64::to_string).collect()))
        };
        let words = stay.medias.iter().filter_map(|media| serde_json::to_value(media).ok());
        let words: Vec<String> = words.filter_map(|word| word.as_str().map(str::to_owned)).collect();
        let medias = (!words.is_empty()).then_some(AttributeValue::Ss(words));
        let sets = [("came", numbers(&stay.came)), ("left", numbers(&stay.left)), ("medias", medias)];
        let added: Vec<(String, AttributeValue)> =
            sets.into_iter().filter_map(|(name, set)| Some((name.to_owned(), set?))).collect();
        let update = self.client.update_item().table_name(self.table.as_str());
        let update = update.set_key(Some(key_item(key)));
        let update = changed(update, constant.into_iter().collect(), added);
        match Box::pin(update.send()).await.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(true),
            Err(error) if is_throttled(&error) => Ok(false),
            Err(error) => Err(unavailable(error)),
        }
    }
}

/// An update that sets some attributes and adds to others. Placeholders, because some names are words of
/// DynamoDB's own or have a colon.
fn changed(
    mut update: UpdateItemFluentBuilder,
    set: Vec<(String, AttributeValue)>,
    added: Vec<(String, AttributeValue)>,
) -> UpdateItemFluentBuilder {
    let (mut sets, mut adds) = (Vec::new(), Vec::new());
    let all = set.into_iter().map(|pair| (pair, false)).chain(added.into_iter().map(|pair| (pair, true)));
    for (place, ((name, value), adds_up)) in all.enumerate() {
        update = update
            .expression_attribute_names(format!("#a{place}"), name)
            .expression_attribute_values(format!(":a{place}"), value);
        if adds_up {
            adds.push(format!("#a{place} :a{place}"));
        } else {
            sets.push(format!("#a{place} = :a{place}"));
        }
    }
    let clause = |verb: &str, terms: &[String]| {
        if terms.is_empty() { String::new() } else { format!("{verb} {}", terms.join(", ")) }
    };
    update.update_expression(format!("{} {}", clause("SET", &sets), clause("ADD", &adds)))
}

fn is_throttled(error: &impl ProvideErrorMetadata) -> bool {
    matches!(error.code(), Some("ProvisionedThroughputExceededException" | "ThrottlingException"))
}

impl FiguresTable {
    pub fn new(client: Client, table: TableName) -> Self {
        Self { client, table }
    }

    /// Sets the counters of a day. They never expire.
    ///
    /// # Errors
    /// [`Failure`] if DynamoDB does not take them.
    pub async fn put_day(&self, period: &Period, figures: &Figures) -> Result<(), Failure> {
        let mut item = key_item(&key::day_of_year(&period.provider, &period.service, &period.day));
        item.extend(figures.counters().into_iter().map(|(name, count)| (name, number(count))));
        self.put(item).await
    }

    /// Adds to an hour without regard to the stream: a correction. It has a random number, so that the SDK's
    /// second attempt after a lost answer does not add it twice.
    ///
    /// # Errors
    /// [`Failure`] if DynamoDB does not take it, or if it is not known whether it did.
    pub async fn correct(&self, key: &Key, difference: &Figures, expires_at: u64) -> Result<(), Failure> {
        let own = text(&format!("{:032x}", fastrand::u128(..)));
        let set = vec![("expires_at".to_owned(), number(expires_at)), ("correction".to_owned(), own.clone())];
        let added = difference.counters().into_iter().map(|(name, count)| (name, number(count))).collect();
        let update = self.client.update_item().table_name(self.table.as_str()).set_key(Some(key_item(key)));
        let update = changed(update, set, added)
            .condition_expression("attribute_not_exists(correction) OR correction <> :own")
            .expression_attribute_values(":own", own);
        match Box::pin(update.send()).await.map_err(SdkError::into_service_error) {
            Ok(_) | Err(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn put(&self, item: Item) -> Result<(), Failure> {
        let put = self.client.put_item().table_name(self.table.as_str()).set_item(Some(item));
        Box::pin(put.send()).await.map_err(|error| unavailable(error.into_service_error()))?;
        Ok(())
    }
}

impl AddFigures for FiguresTable {
    async fn add_figures(
        &self,
        key: &Key,
        figures: &Figures,
        first: &Sequence,
        last: &Sequence,
        expires_at: u64,
    ) -> Result<Added, Failure> {
        let set =
            vec![("seq".to_owned(), text(last.as_str())), ("expires_at".to_owned(), number(expires_at))];
        let added = figures.counters().into_iter().map(|(name, count)| (name, number(count))).collect();
        let update = self.client.update_item().table_name(self.table.as_str()).set_key(Some(key_item(key)));
        let update = changed(update, set, added)
            .condition_expression("attribute_not_exists(seq) OR seq < :first")
            .expression_attribute_values(":first", text(first.as_str()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match Box::pin(update.send()).await.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(Added::Added),
            Err(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                let known = refused.item().and_then(|item| item.get("seq")?.as_s().ok()).map(String::as_str);
                // Without the item, all that is certain is that the first change is in it.
                Ok(Added::Has(known.and_then(Sequence::parse).unwrap_or_else(|| first.clone())))
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn note_service(&self, provider: &str, service: &str) -> Result<(), Failure> {
        let service = key::service(provider, service);
        self.put(key_item(&(key::SERVICES.to_owned(), service))).await
    }
}

impl Tell for Topic {
    async fn tell(&self, news: &[News]) -> Result<(), Failure> {
        let messages = news.iter().map(|news| Message { body: &news.body, attributes: &news.attributes });
        self.publish_all(&messages.collect::<Vec<_>>()).await
    }
}
