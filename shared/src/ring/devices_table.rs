//! The table of devices in DynamoDB: devices, the owners of their addresses, and the guards of calls.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};

use crate::aws::dynamodb::{TableName, unavailable};
use crate::aws::{Failure, Service};
use crate::call::model::{Arrival, Moment, SessionId};
use crate::ring::device::{App, Device, DeviceId, Platform, PushToken, Registration, User};
use crate::ring::guard::{self, Claimed, Guard};
use crate::ring::registration::{Owner, Write};
use crate::ring::registry::{DevicesTable, Written};

const OWNER: &str = "owner";
const GUARD: &str = "guard";
const GUARD_SECONDS: u64 = 86_400;

/// More devices than a user can have, and fewer than DynamoDB returns at once: 1 MB.
const READ_DEVICES: i32 = 100;

type Item = HashMap<String, AttributeValue>;

/// The table. It uses `GetItem`, `Query`, `PutItem`, `DeleteItem` and transactions of the last two.
#[derive(Clone, Debug)]
pub struct DynamoDbDevices {
    client: Client,
    table: TableName,
}

impl DynamoDbDevices {
    pub fn new(client: Client, table: TableName) -> Self {
        Self { client, table }
    }

    async fn get(&self, pk: String, sk: String) -> Result<Option<Item>, Failure> {
        let get = self
            .client
            .get_item()
            .table_name(self.table.as_str())
            .set_key(Some(key(pk, sk)))
            .consistent_read(true);
        let got = Box::pin(get.send()).await.map_err(|error| unavailable(error.into_service_error()))?;
        Ok(got.item)
    }

    fn put(&self, pk: String, sk: String, attributes: Item, over: Option<Item>) -> Option<TransactWriteItem> {
        let condition = Condition::new(over);
        let mut item = key(pk, sk);
        item.extend(attributes);
        let put = Put::builder()
            .table_name(self.table.as_str())
            .set_item(Some(item))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(condition.names)
            .set_expression_attribute_values(condition.values);
        Some(TransactWriteItem::builder().put(put.build().ok()?).build())
    }

    fn delete(&self, pk: String, sk: String, seen: Item) -> Option<TransactWriteItem> {
        let condition = Condition::new(Some(seen));
        let delete = Delete::builder()
            .table_name(self.table.as_str())
            .set_key(Some(key(pk, sk)))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(condition.names)
            .set_expression_attribute_values(condition.values);
        Some(TransactWriteItem::builder().delete(delete.build().ok()?).build())
    }

    fn transacted(&self, write: &Write) -> Option<TransactWriteItem> {
        let owner_key = |owner: &Owner| owner.address.address_key();
        match write {
            Write::PutDevice { device, over } => {
                let over = over.as_ref().map(device_attributes);
                self.put(device.user.key(), device.id.key(), device_attributes(device), over)
            }
            Write::PutOwner { owner, over } => {
                let over = over.as_ref().map(owner_attributes);
                self.put(owner_key(owner), OWNER.into(), owner_attributes(owner), over)
            }
            Write::DeleteDevice(device) => {
                self.delete(device.user.key(), device.id.key(), device_attributes(device))
            }
            Write::DeleteOwner(owner) => self.delete(owner_key(owner), OWNER.into(), owner_attributes(owner)),
        }
    }
}

/// That an item is as it was read: absent, or with these attributes.
struct Condition {
    expression: String,
    names: Option<HashMap<String, String>>,
    values: Option<Item>,
}

impl Condition {
    fn new(seen: Option<Item>) -> Self {
        let Some(seen) = seen else {
            return Self { expression: "attribute_not_exists(pk)".into(), names: None, values: None };
        };
        let (mut terms, mut names, mut values) = (Vec::new(), HashMap::new(), HashMap::new());
        // Some of the names are words of DynamoDB's own.
        for (name, value) in seen {
            terms.push(format!("#{name} = :{name}"));
            values.insert(format!(":{name}"), value);
            names.insert(format!("#{name}"), name);
        }
        Self { expression: terms.join(" AND "), names: Some(names), values: Some(values) }
    }
}

impl DevicesTable for DynamoDbDevices {
    async fn devices(&self, user: &User) -> Result<Vec<Device>, Failure> {
        let query = self
            .client
            .query()
            .table_name(self.table.as_str())
            .key_condition_expression("pk = :user AND begins_with(sk, :device)")
            .expression_attribute_values(":user", text(&user.key()))
            .expression_attribute_values(":device", text("device#"))
            .consistent_read(true)
            .limit(READ_DEVICES);
        let found = Box::pin(query.send()).await.map_err(|error| unavailable(error.into_service_error()))?;
        let devices = found.items().iter().map(|item| read_device(user, item).ok_or_else(unreadable));
        devices.collect()
    }

    async fn device(&self, user: &User, id: &DeviceId) -> Result<Option<Device>, Failure> {
        let item = self.get(user.key(), id.key()).await?;
        item.map(|item| read_device(user, &item).ok_or_else(unreadable)).transpose()
    }

    async fn owner(&self, address: &Registration) -> Result<Option<Owner>, Failure> {
        let item = self.get(address.address_key(), OWNER.into()).await?;
        item.map(|item| read_owner(address, &item).ok_or_else(unreadable)).transpose()
    }

    async fn write(&self, writes: &[Write]) -> Result<Written, Failure> {
        let writes: Option<Vec<_>> = writes.iter().map(|write| self.transacted(write)).collect();
        let transaction = self.client.transact_write_items().set_transact_items(writes);
        match Box::pin(transaction.send()).await.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(Written::All),
            Err(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                let reasons = canceled.cancellation_reasons().iter();
                let mut codes = reasons.filter_map(|reason| reason.code()).filter(|code| *code != "None");
                let by_another =
                    |code: &str| matches!(code, "ConditionalCheckFailed" | "TransactionConflict");
                match codes.find(|code| !by_another(code)) {
                    None => Ok(Written::Nothing),
                    Some(code) => {
                        let code = code.to_owned();
                        Err(Failure::Unavailable {
                            service: Service::DynamoDb,
                            code,
                            source: canceled.into(),
                        })
                    }
                }
            }
            Err(error) => Err(unavailable(error)),
        }
    }
}

impl Guard for DynamoDbDevices {
    async fn claim(&self, service: &str, session: &SessionId, now: Arrival) -> Result<Claimed, Failure> {
        // When the response is lost, the SDK sends the same put again. Its own claim must not stop it.
        let claim = text(&format!("{:016x}", fastrand::u64(..)));
        let mut item = guard_item(service, session, "claimed", now);
        item.insert("claim".to_owned(), claim.clone());
        // The rule of `State::may_be_claimed`, in DynamoDB's words.
        let free = "attribute_not_exists(pk) OR (#state = :claimed AND (#at < :stale OR claim = :claim))";
        let put = self
            .client
            .put_item()
            .table_name(self.table.as_str())
            .set_item(Some(item))
            .condition_expression(free)
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":claimed", text("claimed"))
            .expression_attribute_values(":claim", claim)
            .expression_attribute_values(":stale", number(guard::stale(now)));
        match Box::pin(put.send()).await.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(Claimed::Ours),
            Err(PutItemError::ConditionalCheckFailedException(_)) => Ok(Claimed::Anothers),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn rung(&self, service: &str, session: &SessionId, now: Arrival) -> Result<(), Failure> {
        let item = guard_item(service, session, "rung", now);
        let put = self.client.put_item().table_name(self.table.as_str()).set_item(Some(item));
        Box::pin(put.send()).await.map_err(|error| unavailable(error.into_service_error()))?;
        Ok(())
    }

    async fn release(&self, service: &str, session: &SessionId, now: Arrival) -> Result<(), Failure> {
        let delete = self
            .client
            .delete_item()
            .table_name(self.table.as_str())
            .set_key(Some(key(guard::guard_key(service, session), GUARD.into())))
            .condition_expression("#state = :claimed AND #at = :at")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":claimed", text("claimed"))
            .expression_attribute_values(":at", number(now.milliseconds));
        match Box::pin(delete.send()).await.map_err(SdkError::into_service_error) {
            Ok(_) | Err(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }
}

fn key(pk: String, sk: String) -> Item {
    item([("pk", AttributeValue::S(pk)), ("sk", AttributeValue::S(sk))])
}

fn device_attributes(device: &Device) -> Item {
    item([
        ("platform", text(device.address.platform.as_str())),
        ("token", text(device.address.token.reveal())),
        ("app", text(device.address.app.as_str())),
        ("registered_at", number(device.registered_at.milliseconds())),
        ("expires_at", number(device.expires_at.milliseconds() / 1_000)),
    ])
}

fn owner_attributes(owner: &Owner) -> Item {
    item([
        ("service", text(&owner.user.service)),
        ("user", text(owner.user.id.reveal())),
        ("device", text(owner.device.as_str())),
        ("expires_at", number(owner.expires_at.milliseconds() / 1_000)),
    ])
}

fn guard_item(service: &str, session: &SessionId, state: &str, now: Arrival) -> Item {
    item([
        ("pk", AttributeValue::S(guard::guard_key(service, session))),
        ("sk", text(GUARD)),
        ("state", text(state)),
        ("at", number(now.milliseconds)),
        ("expires_at", number(now.seconds() + GUARD_SECONDS)),
    ])
}

fn item<const ATTRIBUTES: usize>(attributes: [(&str, AttributeValue); ATTRIBUTES]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn read_device(user: &User, item: &Item) -> Option<Device> {
    let text = |name| read_text(item, name);
    let platform = Platform::parse(text("platform")?)?;
    Some(Device {
        user: user.clone(),
        id: DeviceId::parse(&unescaped(text("sk")?.strip_prefix("device#")?))?,
        address: Registration {
            platform,
            token: PushToken::parse(platform, text("token")?)?,
            app: App::parse(text("app")?)?,
        },
        registered_at: Moment::from_milliseconds(read_number(item, "registered_at")?)?,
        expires_at: Moment::from_milliseconds(read_number(item, "expires_at")?.checked_mul(1_000)?)?,
    })
}

fn read_owner(address: &Registration, item: &Item) -> Option<Owner> {
    Some(Owner {
        address: address.clone(),
        user: User::parse(read_text(item, "service")?, read_text(item, "user")?)?,
        device: DeviceId::parse(read_text(item, "device")?)?,
        expires_at: Moment::from_milliseconds(read_number(item, "expires_at")?.checked_mul(1_000)?)?,
    })
}

fn read_text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

fn read_number(item: &Item, name: &str) -> Option<u64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// A part of a key as it was before [`key`](crate::ring::device) encoded it.
fn unescaped(part: &str) -> String {
    part.replace("%23", "#").replace("%25", "%")
}

fn unreadable() -> Failure {
    let source = "an item of the table of devices cannot be read".into();
    Failure::Unavailable { service: Service::DynamoDb, code: "unreadable_item".into(), source }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_device_is_read_as_it_was_written(
            id in "[a#%235]{1,12}", token in "[a-zA-Z0-9_:.-]{1,40}", at in 1_u64..9_000_000_000,
        ) {
            let user = User::parse("planetkit", "bob").unwrap();
            let device = Device {
                user: user.clone(),
                id: DeviceId::parse(&id).unwrap(),
                address: Registration {
                    platform: Platform::Fcm,
                    token: PushToken::parse(Platform::Fcm, &token).unwrap(),
                    app: App::parse("my-project").unwrap(),
                },
                registered_at: Moment::from_milliseconds(at).unwrap(),
                expires_at: Moment::from_milliseconds(at * 1_000).unwrap(),
            };
            let mut item = key(user.key(), device.id.key());
            item.extend(device_attributes(&device));
            prop_assert_eq!(read_device(&user, &item), Some(device));
        }
    }
}
