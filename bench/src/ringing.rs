//! What a notify that rings asks of AWS: a callee with so many devices, the guard of a call, and the keys for
//! the stand-ins of APNs and FCM.

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// A table of devices is named by how many its callee has.
pub const TABLE: &str = "ringback-devices-";
/// The names of both keys.
pub const KEYS: [&str; 2] = ["/ringback/apns", "/ringback/fcm"];

/// Whether a request names a table of devices. It is asked of each put, so it must cost nothing.
pub fn is_about_devices(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|body| body.contains(TABLE))
}

/// How many devices the callee has in the table of a request; `None` if it is not a table of devices.
fn devices_of(request: &Value) -> Option<usize> {
    request.get("TableName")?.as_str()?.strip_prefix(TABLE)?.parse().ok()
}

/// The answer to the query for the callee's devices: every second one is an Android phone.
pub fn query(body: &[u8]) -> Result<Value> {
    let devices = devices_of(&serde_json::from_slice(body)?).context("not a table of devices")?;
    let items: Vec<Value> = (0..devices).map(item).collect();
    Ok(json!({ "Count": devices, "ScannedCount": devices, "Items": items }))
}

fn item(number: usize) -> Value {
    let (platform, token) = if number.is_multiple_of(2) {
        ("apns_voip", format!("{number:064x}"))
    } else {
        ("fcm", format!("{number:022}:{}", "APA91b".repeat(22)))
    };
    json!({
        "pk": { "S": "user#planetkit#bob" }, "sk": { "S": format!("device#{number}") },
        "platform": { "S": platform }, "token": { "S": token }, "app": { "S": "com.example.calls" },
        "registered_at": { "N": "1793600000000" }, "expires_at": { "N": "4102444800" },
    })
}

/// The answer to the request for the keys.
pub fn parameters(keys: &[String; 2]) -> Value {
    let known = KEYS.iter().zip(keys).map(|(name, key)| json!({ "Name": name, "Value": key }));
    json!({ "Parameters": known.collect::<Vec<_>>(), "InvalidParameters": [] })
}
