//! A function's log lines, as a person reads them.

use serde_json::Value;

use crate::output::{moment, plain};

/// A line of a function, in one line; nothing for Lambda's own lines about a request that went well and for
/// metrics alone. `at` is when it was written, in milliseconds since the epoch, where that is not in the
/// line.
pub(crate) fn line(function: &str, at: Option<u64>, text: &str) -> Option<String> {
    let text = text.trim();
    let fields: Value = serde_json::from_str(text).unwrap_or_default();
    let get = |name: &str| fields.get(name).filter(|value| !value.is_null()).map(plain);
    let written = || {
        let timestamp = get("timestamp").or_else(|| get("time"))?;
        Some(timestamp.split('.').next()?.replace('T', " ").trim_end_matches('Z').to_owned())
    };
    let time = at.map(moment).or_else(written).unwrap_or_default();
    let level = get("level").unwrap_or_default();
    let words = match get("message").as_deref() {
        _ if !fields.is_object() && text.is_empty() => return None,
        _ if !fields.is_object() => plain(&text.into()),
        Some("callback" | "replay") => request(&fields),
        _ if get("routeKey").is_some() => access(&fields),
        _ if fields.get("type").is_some() && fields.get("record").is_some() => platform(&fields)?,
        Some(message) => {
            let known = ["timestamp", "level", "message", "_aws"];
            let others =
                fields.as_object().into_iter().flatten().filter(|(name, _)| !known.contains(&name.as_str()));
            let others = others.map(|(name, value)| format!("  {name}={}", plain(value)));
            format!("{message}{}", others.collect::<String>())
        }
        None => return None,
    };
    Some(format!("{time}  {function:<18}  {level:<5}  {words}").trim_end().to_owned())
}

/// What became of a callback, or of a message of the spool.
fn request(fields: &Value) -> String {
    let names = ["status", "outcome", "call_outcome", "field", "reason", "error", "sid"];
    let mut parts: Vec<String> = names.into_iter().filter_map(|name| fields.get(name)).map(plain).collect();
    parts.extend(fields.get("latency_ms").map(|ms| format!("{ms} ms")));
    parts.extend((fields.get("cold") == Some(&Value::Bool(true))).then(|| "cold".to_owned()));
    parts.join("  ")
}

/// A request as the API saw it.
fn access(fields: &Value) -> String {
    let names = ["status", "method", "routeKey", "sourceIp"];
    let parts: Vec<String> = names.into_iter().filter_map(|name| fields.get(name)).map(plain).collect();
    format!("{}  {} ms", parts.join("  "), fields.get("latency").map_or_else(|| "?".into(), plain))
}

/// Lambda's own line, when it is about trouble.
fn platform(fields: &Value) -> Option<String> {
    let record = fields.get("record")?;
    let about = fields.get("type").and_then(Value::as_str).unwrap_or_default();
    let status = record.get("status").and_then(Value::as_str).unwrap_or("success");
    let trouble = matches!(about, "platform.report" | "platform.initRuntimeDone") && status != "success";
    let why = record.get("errorType").map(plain).unwrap_or_default();
    trouble.then(|| format!("Lambda: {status} {why}").trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(fields: &Value) -> Option<String> {
        line("notify", Some(1_793_600_000_123), &fields.to_string())
    }

    #[test]
    fn a_requests_line_says_what_became_of_it() {
        let fields = json!({
            "timestamp": "2026-11-02T05:33:20.123Z", "level": "INFO", "message": "callback", "status": 200,
            "outcome": "published", "sid": "s-1", "latency_ms": 3.2, "cold": true, "_aws": {},
        });
        let said = "2026-11-02 06:13:20  notify              INFO   200  published  s-1  3.2 ms  cold";
        assert_eq!(shown(&fields).unwrap(), said);
        assert!(
            line("notify", None, &fields.to_string()).unwrap().starts_with("2026-11-02 05:33:20  notify")
        );
    }

    #[test]
    fn lambda_is_heard_only_when_something_went_wrong() {
        let report = |status| json!({ "type": "platform.report", "record": { "status": status } });
        assert_eq!(shown(&report("success")), None);
        assert!(shown(&report("timeout")).unwrap().ends_with("Lambda: timeout"));
        assert_eq!(shown(&json!({ "_aws": {}, "callbacks": 1 })), None);
        assert_eq!(line("notify", None, " \n"), None);
    }

    #[test]
    fn what_is_not_json_is_shown_without_what_would_move_the_cursor() {
        assert!(line("notify", None, "panicked \u{1b}[2J").unwrap().ends_with("panicked ?[2J"));
        let start =
            json!({ "level": "ERROR", "message": "the function cannot start", "error": "x is missing" });
        assert!(shown(&start).unwrap().ends_with("ERROR  the function cannot start  error=x is missing"));
    }
}
