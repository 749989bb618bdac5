//! The registry and the guard on emulated DynamoDB, in a table of this test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use ringback::aws::budget;
use ringback::aws::dynamodb::TableName;
use ringback::call::model::{Arrival, SessionId};
use ringback::lambda::settings::Environment;
use ringback::ring::device::Platform;
use ringback::ring::devices_table::DynamoDbDevices;
use ringback::ring::guard::{Claimed, Guard, TAKEOVER_MILLISECONDS};
use ringback::ring::registration::DEVICES;
use ringback::ring::registry::{FindDevices, Forget, Register, Registered, Registry};
use ringback::testing::phones::{device_id, registration, user};
use ringback_tests::stack::aws;
use serde_json::{Value, json};

/// A new, empty table.
struct Table {
    name: String,
    devices: DynamoDbDevices,
}

impl Table {
    fn create() -> Self {
        let name = format!("devices-{:016x}", fastrand::u64(..));
        let attribute = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
        let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
        let table = json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [attribute("pk"), attribute("sk")],
            "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
        });
        aws("AWS_ENDPOINT_URL_DYNAMODB", "DynamoDB_20120810.CreateTable", "1.0", &table);
        let client = Environment::from_process().aws().unwrap().dynamodb(budget::REGISTER).client;
        let devices = DynamoDbDevices::new(client, TableName::parse(&name).unwrap());
        Self { name, devices }
    }

    fn registry(&self) -> Registry<DynamoDbDevices> {
        Registry::new(self.devices.clone(), budget::REGISTER)
    }

    async fn register(&self, who: &str, device: &str, token: &str, at: Arrival) -> Registered {
        let address = registration(Platform::Fcm, token);
        self.registry().register(&user(who), &device_id(device), &address, at).await.unwrap()
    }

    async fn tokens(&self, who: &str, at: Arrival) -> Vec<String> {
        let found = self.registry().find(&user(who), at).await.unwrap();
        let mut tokens: Vec<_> =
            found.iter().map(|device| device.address.token.reveal().to_owned()).collect();
        tokens.sort();
        tokens
    }

    /// Every item whose partition key begins so.
    fn items(&self, prefix: &str) -> Vec<Value> {
        let scan = json!({ "TableName": self.name, "ConsistentRead": true });
        let answer = aws("AWS_ENDPOINT_URL_DYNAMODB", "DynamoDB_20120810.Scan", "1.0", &scan);
        let items = answer["Items"].as_array().unwrap().clone();
        items.into_iter().filter(|item| item["pk"]["S"].as_str().unwrap().starts_with(prefix)).collect()
    }
}

fn now() -> Arrival {
    let milliseconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap();
    Arrival { milliseconds }
}

fn later(at: Arrival, milliseconds: u64) -> Arrival {
    Arrival { milliseconds: at.milliseconds + milliseconds }
}

#[tokio::test]
async fn a_device_is_registered_renewed_moved_and_forgotten_with_its_address() {
    let (table, at) = (Table::create(), now());
    assert_eq!(table.register("b#b", "phone%1", "one", at).await, Registered::Added);
    assert_eq!(table.register("b#b", "phone%1", "one", later(at, 1)).await, Registered::Renewed);
    assert_eq!(table.register("b#b", "phone%1", "two", later(at, 2)).await, Registered::Renewed);
    assert_eq!(table.tokens("b#b", later(at, 3)).await, ["two"]);
    assert_eq!(table.items("address#").len(), 1);
    let device = table.items("user#").remove(0);
    assert_eq!(device["pk"]["S"], "user#planetkit#b%23b");
    assert_eq!(device["sk"]["S"], "device#phone%251");
    assert_eq!(device["expires_at"]["N"], ((at.milliseconds + 2) / 1_000 + 270 * 86_400).to_string());
    assert!(table.registry().forget(&user("b#b"), &device_id("phone%1")).await.unwrap());
    assert!(!table.registry().forget(&user("b#b"), &device_id("phone%1")).await.unwrap());
    assert!(table.items("").is_empty());
}

#[tokio::test]
async fn a_phone_that_many_users_register_at_once_has_one_of_them_in_the_end() {
    let (table, at) = (Table::create(), now());
    let users: Vec<String> = (0..4).map(|number| format!("user-{number}")).collect();
    join_all(users.iter().map(|who| table.register(who, "phone", "one", at))).await;
    let devices = table.items("user#");
    assert_eq!(devices.len(), 1);
    let owner = table.items("address#").remove(0);
    let named = format!("user#planetkit#{}", owner["user"]["S"].as_str().unwrap());
    assert_eq!(devices[0]["pk"]["S"], named.as_str());
}

#[tokio::test]
async fn beyond_25_devices_the_one_registered_longest_ago_goes() {
    let (table, at) = (Table::create(), now());
    for number in 0..=DEVICES as u64 {
        table.register("bob", &format!("phone-{number}"), &format!("t{number}"), later(at, number)).await;
    }
    let tokens = table.tokens("bob", later(at, 100)).await;
    assert_eq!((tokens.len(), tokens.contains(&"t0".to_owned())), (DEVICES, false));
    assert_eq!(table.items("address#").len(), DEVICES);
}

#[tokio::test]
async fn a_dead_device_goes_and_one_registered_again_stays() {
    let (table, at) = (Table::create(), now());
    table.register("bob", "phone", "one", at).await;
    let read = table.registry().find(&user("bob"), at).await.unwrap().remove(0);
    table.register("bob", "phone", "one", later(at, 5)).await;
    table.registry().forget_dead(&read, None).await.unwrap();
    let again = table.registry().find(&user("bob"), at).await.unwrap().remove(0);
    table.registry().forget_dead(&again, Some(read.registered_at)).await.unwrap();
    assert_eq!(table.tokens("bob", at).await, ["one"]);
    table.registry().forget_dead(&again, None).await.unwrap();
    assert!(table.items("").is_empty());
}

#[tokio::test]
async fn of_many_requests_at_once_one_claims_a_call() {
    let (table, at) = (Table::create(), now());
    let session = SessionId::parse("a#session").unwrap();
    let claims = join_all((0..16).map(|_| table.devices.claim("planetkit", &session, at))).await;
    let ours = claims.into_iter().filter(|claim| matches!(claim, Ok(Claimed::Ours))).count();
    assert_eq!(ours, 1);
}

#[tokio::test]
async fn a_claim_can_be_taken_over_after_3_s_given_back_by_its_owner_and_not_once_it_rang() {
    let (table, at) = (Table::create(), now());
    let session = SessionId::parse("s").unwrap();
    let guard = &table.devices;
    let claim = async |at| guard.claim("planetkit", &session, at).await.unwrap();
    assert_eq!(claim(at).await, Claimed::Ours);
    assert_eq!(claim(later(at, TAKEOVER_MILLISECONDS)).await, Claimed::Anothers);
    let second = later(at, TAKEOVER_MILLISECONDS + 1);
    assert_eq!(claim(second).await, Claimed::Ours);
    guard.release("planetkit", &session, at).await.unwrap();
    assert_eq!(claim(second).await, Claimed::Anothers, "the first one has nothing to give back");
    guard.release("planetkit", &session, second).await.unwrap();
    assert_eq!(claim(second).await, Claimed::Ours);
    guard.rung("planetkit", &session, second).await.unwrap();
    assert_eq!(claim(later(second, 60_000)).await, Claimed::Anothers);
    guard.release("planetkit", &session, second).await.unwrap();
    assert_eq!(claim(later(second, 60_000)).await, Claimed::Anothers, "it has rung");
}
