//! `ringback show`: one call, with everything that happened in it.

use clap::Args;
use serde_json::{Value, json};

use crate::call::is_call;
use crate::error::Stop;
use crate::output::{Output, call_line, clean, moment, person, plain, table};
use crate::place::Where;
use crate::records::Table;

/// Show one call with everything that happened in it
#[derive(Args, Debug)]
pub(crate) struct Show {
    /// The session: LINE's `sid`, Tencent's `CallId`
    sid: String,
    /// Every parameter that the vendor sent, too
    #[arg(long)]
    full: bool,
}

impl Show {
    pub(crate) async fn run(self, at: &Where, out: Output) -> Result<(), Stop> {
        let place = at.place().await?;
        let items = Table::of(&place).session(&self.sid).await?;
        if items.is_empty() {
            let why = "it is in the spool, has expired, or never came";
            return Err(Stop::new(format!("there is no record of {}: {why}", clean(&self.sid))));
        }
        out.result(&json!(items), &story(&items, self.full));
        Ok(())
    }
}

fn story(items: &[Value], full: bool) -> String {
    let call = items.iter().find(|item| is_call(item));
    let mut lines = vec![call.map_or_else(|| "The call item is missing.".into(), call_line)];
    for name in ["setup_at", "started_at", "ended_at", "released_by", "reason", "app_data", "expires_at"] {
        if let Some(value) = call.and_then(|call| call.get(name)) {
            let milliseconds =
                value.as_u64().map(|time| if name == "expires_at" { time * 1_000 } else { time });
            let value = milliseconds.map_or_else(|| plain(value), moment);
            lines.push(format!("  {name:<12} {value}"));
        }
    }
    let events: Vec<&Value> = items.iter().filter(|item| !is_call(item)).collect();
    let rows = events.iter().map(|event| {
        let time = |name: &str| event.get(name).and_then(Value::as_u64).map(moment).unwrap_or_default();
        let text = |name: &str| event.get(name).map(plain).unwrap_or_default();
        let who = event.get("who").map(person).unwrap_or_default();
        vec![time("at"), text("what"), who, text("callback"), time("received_at")]
    });
    lines.push(format!("\n{}", table(&["happened", "what", "who", "callback", "received"], rows)));
    if full {
        for event in events {
            let sent = event.get("vendor").and_then(Value::as_object).into_iter().flatten();
            let sent = sent.map(|(name, value)| format!("\n  {} = {}", clean(name), plain(value)));
            let what = event.get("what").map(plain).unwrap_or_default();
            lines.push(format!("\n{what}{}", sent.collect::<String>()));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_has_the_call_and_its_events_in_their_order() {
        let items = [
            json!({
                "record": "call", "kind": "one-to-one", "media": "audio", "status": "ended",
                "outcome": "answered", "caller": { "service_id": "s", "user_id": "alice" },
                "callee": { "user_id": "bob" }, "duration_s": 42,
                "ended_at": 1_793_779_668_000_u64, "expires_at": 1_801_555_668_u64,
            }),
            json!({
                "record": "event#1", "what": "ended", "callback": "call_event", "at": 1_793_779_668_000_u64,
                "received_at": 1_793_779_669_000_u64, "vendor": { "sid": "x", "evil": "\u{1b}[2J" },
            }),
        ];
        let story = story(&items, true);
        for part in [
            "one-to-one audio call, alice@s -> bob, ended (answered), talked 42 s\n",
            "  ended_at     2026-11-04 08:07:48\n",
            "  expires_at   2027-02-02 08:07:48\n",
            "call_event",
            "\n  evil = ?[2J",
        ] {
            assert!(story.contains(part), "{part}\n{story}");
        }
    }
}
