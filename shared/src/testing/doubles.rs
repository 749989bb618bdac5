//! Stores and topics in memory, and ones that refuse everything.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use serde_json::Value;

use crate::aws::store::{CallPut, EventPut, Store};
use crate::aws::topic::Publish;
use crate::aws::{Failure, Service};
use crate::call::record::{ATTRIBUTES, CALL, Item};

/// A records table in memory.
#[derive(Debug, Default)]
pub struct MemoryTable {
    items: RefCell<BTreeMap<(String, String), Item>>,
    call_puts: Cell<usize>,
}

impl MemoryTable {
    /// Every item, by partition and sort key.
    pub fn items(&self) -> BTreeMap<(String, String), Item> {
        self.items.borrow().clone()
    }

    /// How often a call item was sent, taken or refused.
    pub fn call_puts(&self) -> usize {
        self.call_puts.get()
    }

    /// Removes every item.
    pub fn clear(&self) {
        self.items.borrow_mut().clear();
    }

    /// The only call item.
    pub fn call(&self) -> Value {
        let [call] = self.calls().try_into().unwrap();
        call
    }

    /// The call items.
    pub fn calls(&self) -> Vec<Value> {
        let items = self.items();
        let calls = items.into_iter().filter(|((_, sort), _)| sort == CALL);
        calls.map(|(_, item)| Value::Object(item.attributes().clone())).collect()
    }

    /// The event items.
    pub fn events(&self) -> Vec<Value> {
        let items = self.items();
        let events = items.into_iter().filter(|((_, sort), _)| sort != CALL);
        events.map(|(_, item)| Value::Object(item.attributes().clone())).collect()
    }

    fn key(item: &Item) -> (String, String) {
        let text = |name: &str| item.attributes()[name].as_str().unwrap().to_owned();
        (text("sid"), text("record"))
    }
}

/// Refuses attributes that the deployed functions may not put.
fn assert_permitted(item: &Item) {
    for name in item.attributes().keys() {
        assert!(ATTRIBUTES.contains(&name.as_str()), "{name} is not in record::ATTRIBUTES");
    }
}

impl Store for MemoryTable {
    async fn put_event(&self, item: Item) -> Result<EventPut, Failure> {
        assert_permitted(&item);
        let mut items = self.items.borrow_mut();
        if items.contains_key(&Self::key(&item)) {
            return Ok(EventPut::AlreadyThere);
        }
        items.insert(Self::key(&item), item);
        Ok(EventPut::Stored)
    }

    async fn put_call(&self, item: Item, expected: Option<&str>) -> Result<CallPut, Failure> {
        assert_permitted(&item);
        let mut items = self.items.borrow_mut();
        let stored = items.get(&Self::key(&item)).map(|item| item.facts().to_owned());
        self.call_puts.set(self.call_puts.get() + 1);
        if stored.as_deref() != expected {
            return Ok(CallPut::Changed(stored));
        }
        items.insert(Self::key(&item), item);
        Ok(CallPut::Stored)
    }
}

/// A table that refuses everything.
#[derive(Debug)]
pub struct DeadTable;

impl Store for DeadTable {
    async fn put_event(&self, _: Item) -> Result<EventPut, Failure> {
        Err(Failure::TooSlow(Service::DynamoDb))
    }

    async fn put_call(&self, _: Item, _: Option<&str>) -> Result<CallPut, Failure> {
        Err(Failure::TooSlow(Service::DynamoDb))
    }
}

/// A message that a topic took.
#[derive(Clone, Debug)]
pub struct Published {
    pub body: String,
    pub attributes: Vec<(&'static str, String)>,
}

/// A topic in memory.
#[derive(Debug, Default)]
pub struct MemoryTopic {
    messages: RefCell<Vec<Published>>,
}

impl MemoryTopic {
    pub fn messages(&self) -> Vec<Published> {
        self.messages.borrow().clone()
    }

    pub fn bodies(&self) -> Vec<String> {
        self.messages().into_iter().map(|message| message.body).collect()
    }
}

impl Publish for MemoryTopic {
    async fn publish(&self, body: &str, attributes: &[(&'static str, String)]) -> Result<(), Failure> {
        self.messages.borrow_mut().push(Published { body: body.to_owned(), attributes: attributes.to_vec() });
        Ok(())
    }
}

/// A topic that refuses everything.
#[derive(Debug)]
pub struct DeadTopic;

impl Publish for DeadTopic {
    async fn publish(&self, _: &str, _: &[(&'static str, String)]) -> Result<(), Failure> {
        Err(Failure::TooSlow(Service::Sns))
    }
}

// Handlers own their store and topic; tests look at them through a reference.
impl<S: Store> Store for &S {
    async fn put_event(&self, item: Item) -> Result<EventPut, Failure> {
        (**self).put_event(item).await
    }

    async fn put_call(&self, item: Item, expected: Option<&str>) -> Result<CallPut, Failure> {
        (**self).put_call(item, expected).await
    }
}

impl<P: Publish> Publish for &P {
    async fn publish(&self, body: &str, attributes: &[(&'static str, String)]) -> Result<(), Failure> {
        (**self).publish(body, attributes).await
    }
}
