//! Any bytes as a message of the spool: reading returns a record that is written back unchanged, or the
//! reason why it is not a record.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringback::call::record::{Retention, event_item};
use ringback::lambda::spool;
use ringback_fuzz::check_spool;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    if let Ok((record, arrival)) = spool::read(&String::from_utf8_lossy(data)) {
        let event = event_item(&record, arrival, Retention::parse("90").unwrap());
        // The functions write a vendor's numbers as text. A fraction cannot come from them, and loses digits.
        if !event.attributes().values().any(has_fraction) {
            check_spool(&record, arrival);
        }
    }
});

fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_fraction),
        Value::Object(members) => members.values().any(has_fraction),
        _ => false,
    }
}
