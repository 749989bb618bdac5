//! What must hold for any input: no answer above 499, and no record or push job that AWS would refuse.

use ringback::call::CallFacts;
use ringback::call::model::Arrival;
use ringback::call::record::{CALL, Item, Record, Retention, call_item, event_item, event_key};
use ringback::door::{
    access::{Gate, Verified},
    request::Unverified,
};
use ringback::door::{callback::Callback, route::Route};
use ringback::history::plan::Plan;
use ringback::history::rows::Layout;
use ringback::history::stream::Batch;
use ringback::lambda::api::event::ApiEvent;
use ringback::lambda::api::jwt::JwtUsers;
use ringback::lambda::api::{Api, HandledRequest};
use ringback::lambda::devices::answer::answer as devices_answer;
use ringback::lambda::devices::{DevicesApi, DevicesOutcome};
use ringback::lambda::handler::{Handler, Notifier};
use ringback::lambda::history::HistoryApi;
use ringback::lambda::history::request::TokenUsers;
use ringback::lambda::http::{GatewayEvent, answer};
use ringback::lambda::outcome::CallbackOutcome;
use ringback::lambda::settings::Environment;
use ringback::lambda::spool;
use ringback::line;
use ringback::tencent;
use ringback::testing::calls::MemoryCalls;
use ringback::testing::phones::MemoryDevices;
use ringback::testing::{ARRIVAL, DeadTopic, MemoryTable, MemoryTopic, TOKEN, recorder_behind};
use ringback::text::refusal::Refusal;
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Runtime};

/// DynamoDB's limits.
const ITEM_BYTES: usize = 409_600;
const NESTING: usize = 32;
/// SNS's limit, attributes included.
const MESSAGE_BYTES: usize = 262_144;

/// More than any request that the functions read; an input cannot make the fuzzer itself run out of memory.
const EXPANDED_BYTES: usize = 70_000;

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().unwrap();
    static GATES: [Gate; 5] = Route::ALL.map(|route| environment(None).gate(route).unwrap());
    static VERIFYING: Gate = environment(Some("a-token")).gate(&tencent::CALL_EVENT).unwrap();
}

/// A function that accepts all ids, so that only the token is in the fuzzer's way.
fn environment(signing_token: Option<&'static str>) -> Environment {
    let own = ringback::testing::environment();
    Environment::new(move |name| match name {
        "LINE_SERVICE_IDS" | "TENCENT_SDK_APP_IDS" => Some("any".to_owned()),
        "TENCENT_CALLBACK_TOKEN" => signing_token.map(str::to_owned),
        _ => own.optional(name),
    })
}

fn retention() -> Retention {
    Retention::parse("90").unwrap()
}

/// The path of a route with the right token.
pub fn path_to(route: &Route) -> String {
    format!("/{TOKEN}{}", route.path)
}

/// Lets a request in by the door of a function.
pub fn admit(route: &'static Route, request: Unverified) -> Result<Verified, Refusal> {
    let position = Route::ALL.iter().position(|function| function.path == route.path).unwrap();
    GATES.with(|gates| gates[position].admit(request, ARRIVAL))
}

/// The same where Tencent's signature is verified.
pub fn admit_signed(request: Unverified) -> Result<Verified, Refusal> {
    VERIFYING.with(|gate| gate.admit(request, ARRIVAL))
}

/// What is dear is done for a part of the inputs only, chosen by a hash, and leaves time for more inputs.
#[derive(Clone, Copy)]
pub struct Share(u32);

impl Share {
    /// The share that an input falls into.
    pub fn of(data: &[u8]) -> Self {
        Self(data.iter().fold(7, |hash: u32, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)) >> 26)
    }

    /// An eighth: what was played is played again.
    pub fn is_thorough(self) -> bool {
        self.0 < 8
    }

    /// A sixty-fourth: marked parts are repeated so often that the input reaches the long bounds.
    fn is_long(self) -> bool {
        self.0 == 0
    }
}

/// Text with its marked parts repeated. A part stands between two `\x1e`: first a byte with the number of
/// repeats, then the text to repeat, in which `\x1f` becomes the number of the repeat.
pub fn expanded(text: &str, share: Share) -> String {
    let mut whole = String::new();
    for (position, part) in text.split('\x1e').enumerate() {
        let mut letters = part.chars();
        match letters.next() {
            Some(times) if position % 2 == 1 => {
                let times = times as usize % 128;
                for number in 0..if share.is_long() { times * 8 } else { times % 4 } {
                    if whole.len() > EXPANDED_BYTES {
                        break;
                    }
                    whole.push_str(&letters.as_str().replace('\x1f', &number.to_string()));
                }
            }
            _ => whole.push_str(part),
        }
    }
    whole
}

/// Plays events through every function that they may be meant for, and a share of them through all functions,
/// each event twice and in two orders.
pub fn play(events: &[String], share: Share) {
    let is_meant = |route: &Route| {
        let word = route.path.rsplit('/').next().unwrap();
        events.iter().any(|event| event.contains(word))
    };
    let thorough = share.is_thorough() || !Route::ALL.into_iter().any(is_meant);
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            if thorough || is_meant(&line::NOTIFY) {
                notify(events).await;
            }
            for callback in Callback::ALL {
                if thorough || is_meant(callback.route) {
                    record(events, callback, thorough).await;
                }
            }
        });
    });
}

async fn notify(events: &[String]) {
    let topic = MemoryTopic::default();
    let notifier = Notifier::new(environment(None).gate(&line::NOTIFY).unwrap(), &topic);
    for event in events {
        handle(&notifier, event).await;
    }
    topic.messages().iter().for_each(|job| check_job(&job.body, &job.attributes));
}

async fn record(events: &[String], callback: Callback, thorough: bool) {
    let (table, backwards) = (MemoryTable::default(), MemoryTable::default());
    // No spool: in memory nothing has to be put aside, and what was put aside would be answered with 503.
    let gate = || environment(None).gate(callback.route).unwrap();
    let recorder = |table| recorder_behind(gate(), callback, table, DeadTopic);
    let first = recorder(&table);
    let mut recorded = Vec::new();
    for event in events {
        if matches!(handle(&first, event).await, CallbackOutcome::Recorded | CallbackOutcome::Duplicate) {
            recorded.push(event);
        }
    }
    let items = table.items();
    items.iter().for_each(|((_, sort_key), item)| check_item(sort_key, item));
    if !thorough {
        return;
    }
    for event in &recorded {
        let outcome = handle(&first, event).await;
        assert!(matches!(outcome, CallbackOutcome::Duplicate), "the same callback again is {outcome:?}");
    }
    assert!(table.items() == items, "the same callbacks again change the records");
    let second = recorder(&backwards);
    for event in recorded.iter().rev() {
        handle(&second, event).await;
    }
    assert!(backwards.items() == items, "the order of the callbacks decides");
}

async fn handle(handler: &impl Handler, event: &str) -> CallbackOutcome {
    // What is no JSON at all is the Lambda runtime's to refuse.
    let event: GatewayEvent = serde_json::from_str(event).unwrap_or_default();
    let handled = handler.handle(event.into(), ARRIVAL).await;
    let answer = answer(handler.gate().route(), &handled.outcome);
    assert!((200..=499).contains(&answer.status), "{:?}", handled.outcome);
    handled.outcome
}

/// Plays a request to the registry of devices, and shows what it has registered.
pub fn register(event: &Value) {
    let table = MemoryDevices::default();
    let api = DevicesApi::new(table.registry(), JwtUsers::new("planetkit", "sub"));
    let event: ApiEvent = serde_json::from_value(event.clone()).unwrap_or_default();
    let handled = RUNTIME.with(|runtime| runtime.block_on(api.handle(&event, ARRIVAL)));
    let status = devices_answer(&handled.outcome).status;
    assert!((200..=499).contains(&status), "{:?}", handled.outcome);
    assert!(table.all().len() == usize::from(status == 201), "{status}");
    for device in table.all() {
        let token = device.address.token.reveal().to_owned();
        let (_, shown) = devices_answer(&DevicesOutcome::Shown(device)).body.unwrap();
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let end = shown["token_ends_with"].as_str().unwrap();
        assert!(end.len() <= token.len() / 4 && token.ends_with(end), "an answer shows too much of a token");
    }
}

/// Plays a request for calls.
pub fn ask_for_calls(event: &Value) {
    let users = JwtUsers::new("planetkit", "sub").map(|users| TokenUsers { users, provider: "line" });
    let calls = MemoryCalls::default();
    let call = serde_json::json!({
        "sid": "c", "record": CALL, "provider": "line", "kind": "group", "status": "ongoing", "facts": "",
        "received_at": 1_793_600_000_000_u64, "expires_at": 9_999_999_999_u64,
    });
    calls.put_record(call);
    let event: ApiEvent = serde_json::from_value(event.clone()).unwrap_or_default();
    let api = HistoryApi::new(calls, users, 2);
    let handled = RUNTIME.with(|runtime| runtime.block_on(api.handle(&event, ARRIVAL)));
    let answer = handled.answer(&event);
    assert!((200..=499).contains(&answer.status), "{:?}", handled.outcome);
}

/// Folds a batch of the records table's stream, if the text is one.
pub fn fold(batch: &str) {
    let Ok(batch) = Batch::parse(batch) else { return };
    for news in Plan::of(&batch, &Layout::default()).news {
        assert!(news.attributes.iter().all(|(_, value)| !value.is_empty()), "an empty attribute");
    }
}

/// Both items of a record, and the message that it waits in if need be.
pub fn check_record(record: &Record) {
    let event = event_item(record, ARRIVAL, retention());
    check_item(event.attributes()["record"].as_str().unwrap(), &event);
    let vendor = event.attributes()["vendor"].as_object().unwrap();
    assert!(
        record.origin.provider == tencent::TENCENT.name
            || !(vendor.contains_key("param") || vendor.contains_key("cc_param"))
    );
    check_facts(record, &record.call);
}

/// A record comes out of the spool as it went in.
pub fn check_spool(record: &Record, arrival: Arrival) {
    let message = spool::write(record, arrival);
    let (read, arrived) = spool::read(&message).unwrap();
    check_sort_key(&event_key(&read));
    assert!(event_key(&read) == event_key(record), "the spool changes the key");
    assert!(
        event_item(&read, arrived, retention()) == event_item(record, arrival, retention()),
        "the spool changes the event"
    );
    assert!(
        call_item(&read, &read.call, arrived, retention())
            == call_item(record, &record.call, arrival, retention())
    );
}

/// Checks the call item of these facts: reading it returns them, and joining them with themselves changes
/// nothing.
pub fn check_facts(record: &Record, facts: &CallFacts) {
    let item = call_item(record, facts, ARRIVAL, retention());
    check_item(CALL, &item);
    let stored: CallFacts = serde_json::from_str(item.attributes()["facts"].as_str().unwrap()).unwrap();
    assert!(stored == *facts, "facts do not come back as they were stored");
    assert!(stored.join(facts.clone()) == *facts, "a callback joined twice is another call");
}

/// An item that DynamoDB takes, with a sort key that readers know.
pub fn check_item(sort_key: &str, item: &Item) {
    if sort_key != CALL {
        check_sort_key(sort_key);
    }
    assert!(item.attributes()["sid"].as_str().is_some_and(|sid| !sid.is_empty() && sid.len() <= 2_048));
    let bytes = members_bytes(item.attributes(), 0);
    assert!(bytes <= ITEM_BYTES, "{sort_key} has {bytes} bytes");
}

fn check_sort_key(sort_key: &str) {
    let (time, digest) = sort_key.strip_prefix("event#").and_then(|rest| rest.split_once('#')).unwrap();
    assert!(time.len() == 13 && time.bytes().all(|byte| byte.is_ascii_digit()), "sort key {sort_key}");
    assert!(digest.len() == 32 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "sort key {sort_key}");
}

/// How DynamoDB counts ("Item sizes and formats"), rounded up.
fn members_bytes(members: &Map<String, Value>, nesting: usize) -> usize {
    let bytes = |(name, value): (&String, &Value)| {
        assert!(!name.is_empty(), "an attribute without a name");
        name.len() + value_bytes(value, nesting)
    };
    members.iter().map(bytes).sum()
}

fn value_bytes(value: &Value, nesting: usize) -> usize {
    assert!(nesting <= NESTING, "nested too deep");
    match value {
        Value::Null | Value::Bool(_) => 1,
        // At most 38 digits, two of them a byte, and the sign; none of ours has more than 20.
        Value::Number(_) => 21,
        Value::String(text) => text.len(),
        Value::Array(items) => 3 + items.iter().map(|item| 1 + value_bytes(item, nesting + 1)).sum::<usize>(),
        Value::Object(members) => 3 + members.len() + members_bytes(members, nesting + 1),
    }
}

/// A message that SNS takes and a phone can use.
pub fn check_job(text: &str, attributes: &[(&str, String)]) {
    let body: Map<String, Value> = serde_json::from_str(text).unwrap();
    assert!(body.values().all(Value::is_string), "a value is no string");
    for name in ["cc_param", "sid", "version", "expires_at"] {
        assert!(body[name].as_str().is_some_and(|text| !text.is_empty()), "{name} is missing");
    }
    let bytes = text.len()
        + attributes.iter().map(|(name, value)| name.len() + "String".len() + value.len()).sum::<usize>();
    assert!(attributes.iter().all(|(_, value)| !value.is_empty()), "an empty attribute");
    assert!(bytes <= MESSAGE_BYTES, "{bytes} bytes");
}
