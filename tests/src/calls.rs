//! Tables of the reading side that a test fills itself, and the built function that reads them.

use ringback::call::model::{Moment, SessionId};
use ringback::history::key::{self, UserKey};
use ringback::history::read::days::day_of;
use serde_json::{Map, Value, json};

use crate::control_plane::Function;
use crate::gateway::Request;
use crate::stack::{aws, function_variables, new_table};

/// Parts of a day's rows, as the function is told.
pub const SHARDS: u32 = 4;
/// In seconds, far in the future.
pub const NEVER: u64 = 9_999_999_999;

/// The tables of the test's own.
#[derive(Debug)]
pub struct CallTables {
    pub records: String,
    pub views: String,
    pub figures: String,
}

impl CallTables {
    pub fn create() -> Self {
        Self {
            records: new_table("records", "sid", "record"),
            views: new_table("views", "pk", "sk"),
            figures: new_table("figures", "pk", "sk"),
        }
    }

    /// The variables of the function that reads these tables.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = function_variables();
        variables.retain(|(name, _)| *name != "RECORDS_TABLE");
        variables.extend([
            ("RECORDS_TABLE", self.records.clone()),
            ("VIEWS_TABLE", self.views.clone()),
            ("FIGURES_TABLE", self.figures.clone()),
            ("SHARDS", SHARDS.to_string()),
            ("JWT_SERVICE_ID", "planetkit".to_owned()),
        ]);
        variables
    }

    pub fn function(&self) -> Function {
        let variables = self.variables();
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Function::start("history", &variables)
    }

    /// A user's call, in that user's partition.
    pub fn users_row(&self, user: &UserKey, row: &Value) -> (String, Value) {
        (self.views.clone(), keyed(key::user(user), key::users_call(at(row), &session(row)), row))
    }

    /// A call in the list of its day.
    pub fn days_row(&self, row: &Value) -> (String, Value) {
        let partition = key::day(&day_of(at(row)), key::shard(&session(row), SHARDS));
        (self.views.clone(), keyed(partition, key::moment_and_session(at(row), &session(row)), row))
    }

    pub fn rooms_row(&self, [provider, service, room]: [&str; 3], row: &Value) -> (String, Value) {
        let sort_key = key::moment_and_session(at(row), &session(row));
        (self.views.clone(), keyed(key::room(provider, service, room), sort_key, row))
    }

    pub fn live_row(&self, row: &Value) -> (String, Value) {
        let sid = session(row);
        let partition = key::live(key::shard(&sid, SHARDS));
        let provider = row["provider"].as_str().unwrap();
        (self.views.clone(), keyed(partition, key::live_call(provider, &sid), row))
    }

    pub fn figures_item(&self, partition: &str, sort_key: &str, counters: &Value) -> (String, Value) {
        (self.figures.clone(), keyed(partition.to_owned(), sort_key.to_owned(), counters))
    }

    pub fn record(&self, item: &Value) -> (String, Value) {
        (self.records.clone(), item.clone())
    }
}

fn at(row: &Value) -> Moment {
    Moment::from_milliseconds(row["at"].as_u64().unwrap()).unwrap()
}

fn session(row: &Value) -> SessionId {
    SessionId::parse(row["sid"].as_str().unwrap()).unwrap()
}

fn keyed(partition: String, sort_key: String, row: &Value) -> Value {
    let mut item = row.clone();
    item["pk"] = json!(partition);
    item["sk"] = json!(sort_key);
    item
}

/// Writes items, each with the table that it belongs to.
pub fn put(items: &[(String, Value)]) {
    for some in items.chunks(25) {
        let mut requests: Map<String, Value> = Map::new();
        for (table, item) in some {
            let put = json!({ "PutRequest": { "Item": attribute(item)["M"] } });
            let of_table = requests.entry(table.clone()).or_insert_with(|| json!([]));
            of_table.as_array_mut().unwrap().push(put);
        }
        let batch = json!({ "RequestItems": requests });
        let answer = aws("AWS_ENDPOINT_URL_DYNAMODB", "DynamoDB_20120810.BatchWriteItem", "1.0", &batch);
        assert_eq!(answer["UnprocessedItems"], json!({}));
    }
}

/// DynamoDB's own JSON of a value. A list of numbers is a set of them: no item has another one.
fn attribute(value: &Value) -> Value {
    match value {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(flag) => json!({ "BOOL": flag }),
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::String(text) => json!({ "S": text }),
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_number) => {
            json!({ "NS": items.iter().map(Value::to_string).collect::<Vec<_>>() })
        }
        Value::Array(items) => json!({ "L": items.iter().map(attribute).collect::<Vec<_>>() }),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), attribute(value)));
            json!({ "M": members.collect::<Map<_, _>>() })
        }
    }
}

/// What the function answers to a request: status and body.
pub fn ask(function: &Function, address: &str, authorizer: &Value) -> (u64, Value) {
    let answer = answer(function, "GET", address, authorizer);
    let text = answer["body"].as_str().unwrap_or_default();
    (answer["statusCode"].as_u64().unwrap(), serde_json::from_str(text).unwrap_or(Value::Null))
}

/// The whole answer to a request.
pub fn answer(function: &Function, method: &str, address: &str, authorizer: &Value) -> Value {
    function.invoke(&event(method, address, authorizer).to_string()).0
}

/// The event of a request.
pub fn event(method: &str, address: &str, authorizer: &Value) -> Value {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let (method, path, query) = (method.to_owned(), path.to_owned(), query.to_owned());
    Request { method, path, query, ..Request::default() }.event(authorizer)
}

/// What API Gateway says of a request that an app server has signed.
pub fn app_server() -> Value {
    json!({ "iam": { "accessKey": "local" } })
}

/// What it says of one with a user's token.
pub fn token_of(user: &Value) -> Value {
    json!({ "jwt": { "claims": { "sub": user } } })
}
