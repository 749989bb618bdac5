//! The expressions of a query.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::call::model::Arrival;
use crate::history::read::Filter;

/// An item as DynamoDB gives it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The names of a table's partition key and sort key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    pub(super) partition: &'static str,
    pub(super) sort: &'static str,
}

/// The views table's and the figures table's.
pub(super) const PK_SK: Keys = Keys { partition: "pk", sort: "sk" };
/// The records table's.
pub(super) const SID_RECORD: Keys = Keys { partition: "sid", sort: "record" };

/// Which items of one partition a query is about.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) keys: Keys,
    pub(super) partition: String,
    pub(super) condition: String,
    pub(super) filters: Vec<String>,
    pub(super) names: HashMap<String, String>,
    pub(super) values: Item,
    pub(super) newest_first: bool,
    pub(super) consistent: bool,
    /// Items that it looks at, at most.
    pub(super) limit: Option<i32>,
    pub(super) start: Option<Item>,
}

impl Query {
    /// The items between two sort keys, these included.
    pub(super) fn between(keys: Keys, partition: String, low: &str, high: &str) -> Self {
        let mut query = Self {
            keys,
            partition: partition.clone(),
            condition: "#partition = :partition AND #sort BETWEEN :low AND :high".to_owned(),
            filters: Vec::new(),
            names: HashMap::new(),
            values: Item::new(),
            newest_first: false,
            consistent: false,
            limit: None,
            start: None,
        };
        query.name("partition", keys.partition);
        query.name("sort", keys.sort);
        query.value("partition", text(&partition));
        query.value("low", text(low));
        query.value("high", text(high));
        query
    }

    fn name(&mut self, alias: &str, attribute: &str) {
        self.names.insert(format!("#{alias}"), attribute.to_owned());
    }

    fn value(&mut self, alias: &str, value: AttributeValue) {
        self.values.insert(format!(":{alias}"), value);
    }

    /// Without what has expired, because DynamoDB deletes late.
    pub(super) fn unexpired(mut self, now: Arrival) -> Self {
        self.name("expires_at", "expires_at");
        self.value("now", number(now.seconds()));
        self.filters.push("#expires_at > :now".to_owned());
        self
    }

    /// Only missed calls, and the item that says when the user last looked.
    pub(super) fn missed(mut self) -> Self {
        self.name("missed", "missed");
        self.name("seen_at", "seen_at");
        self.value("true", AttributeValue::Bool(true));
        self.filters.push("(#missed = :true OR attribute_exists(#seen_at))".to_owned());
        self
    }

    /// Only what the filter picks.
    pub(super) fn filtered(mut self, filter: &Filter) -> Self {
        let word = |value: Value| value.as_str().map(str::to_owned);
        let equal = [
            ("provider", filter.provider.clone()),
            ("outcome", filter.outcome.and_then(|outcome| word(json!(outcome)))),
            ("kind", filter.kind.and_then(|kind| word(json!(kind)))),
            ("media", filter.media.and_then(|media| word(json!(media)))),
        ];
        for (name, wanted) in equal {
            let Some(wanted) = wanted else { continue };
            self.name(name, name);
            self.value(name, text(&wanted));
            self.filters.push(format!("#{name} = :{name}"));
        }
        if let Some(service) = &filter.service {
            for name in ["room", "caller", "callees", "service_id"] {
                self.name(name, name);
            }
            self.value("service", text(service));
            let of = ["#room.#service_id", "#caller.#service_id", "#callees[0].#service_id"];
            let any = of.map(|path| format!("{path} = :service")).join(" OR ");
            self.filters.push(format!("({any})"));
        }
        self
    }

    pub(super) fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }

    pub(super) fn limit(mut self, limit: u32) -> Self {
        self.limit = i32::try_from(limit).ok();
        self
    }

    /// Begins after the item with this sort key.
    pub(super) fn starting_after(mut self, sort_key: String) -> Self {
        self.start = Some(HashMap::from([
            (self.keys.partition.to_owned(), text(&self.partition)),
            (self.keys.sort.to_owned(), AttributeValue::S(sort_key)),
        ]));
        self
    }
}

impl Filter {
    /// Picks every call.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

pub(super) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(super) fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// A text in an item.
pub(super) fn read_text(item: &Item, name: &str) -> Option<String> {
    item.get(name)?.as_s().ok().cloned()
}

/// A number in an item.
pub(super) fn read_number<N: std::str::FromStr>(item: &Item, name: &str) -> Option<N> {
    item.get(name)?.as_n().ok()?.parse().ok()
}
