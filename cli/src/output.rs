//! What is printed: text for a person, or JSON for a program. Colours go to terminals only.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anstyle::{AnsiColor, Style};
use aws_smithy_types::date_time::{DateTime, Format};
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const DIM: Style = Style::new().dimmed();

/// Where a command's results go. What a person only wants to see on the way goes to stderr.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// The result, as a person or as a program reads it.
    pub(crate) fn result(self, value: &Value, text: &str) {
        if self.json {
            println!("{value}");
        } else {
            anstream::println!("{text}");
        }
    }

    /// A line on the way, for a person only.
    pub(crate) fn tell(self, text: &str) {
        if !self.json {
            anstream::println!("{text}");
        }
    }

    /// Progress of work whose end is known, or of which only the count is.
    pub(crate) fn progress(self, total: Option<u64>, what: &'static str) -> ProgressBar {
        if self.json {
            return ProgressBar::hidden();
        }
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template =
            if total.is_some() { "{bar:30} {pos}/{len} {msg} {eta}" } else { "{spinner} {pos} {msg}" };
        bar.with_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        )
        .with_message(what)
    }
}

pub(crate) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Rows below each other, as wide as the terminal.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    table.set_width(console::Term::stdout().size_checked().map_or(110, |(_, columns)| columns));
    for row in rows {
        table.add_row(row);
    }
    table.trim_fmt()
}

/// Text from outside without what would move the cursor or colour the screen.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|each| if each.is_control() { '?' } else { each }).collect()
}

/// A value as a person reads it: a text without quotes.
pub(crate) fn plain(value: &Value) -> String {
    clean(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// Someone in a call, from a record.
pub(crate) fn person(value: &Value) -> String {
    let [user, service] = ["user_id", "service_id"].map(|name| value.get(name).map(plain));
    match (user, service) {
        (Some(user), Some(service)) => format!("{user}@{service}"),
        (user, service) => user.or(service).unwrap_or_else(|| "?".to_owned()),
    }
}

/// A call item in one line.
pub(crate) fn call_line(call: &Value) -> String {
    let text = |name: &str| call.get(name).map(plain);
    let people = |name: &str| {
        let people = call.get(name).and_then(Value::as_array);
        people.map(|people| people.iter().map(person).collect::<Vec<_>>().join(", "))
    };
    let media = text("media").filter(|media| media != "unknown");
    let callee = call.get("callee").map(person).or_else(|| people("callees"));
    let caller = call.get("caller").map(person);
    let between = (caller.is_some() || callee.is_some())
        .then(|| format!("{} -> {}", caller.unwrap_or("?".into()), callee.unwrap_or("?".into())));
    let parts = [
        Some([text("kind"), media, Some("call".into())].into_iter().flatten().collect::<Vec<_>>().join(" ")),
        call.get("host").map(|host| format!("host {}", person(host))),
        between,
        text("status")
            .map(|status| text("outcome").map_or(status.clone(), |how| format!("{status} ({how})"))),
        text("online").map(|online| format!("{online} online")),
        text("duration_s").filter(|seconds| seconds != "0").map(|seconds| format!("talked {seconds} s")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Milliseconds since the epoch as a date and a time in UTC.
pub(crate) fn moment(milliseconds: u64) -> String {
    let written = i64::try_from(milliseconds)
        .ok()
        .and_then(|milliseconds| DateTime::from_secs(milliseconds / 1_000).fmt(Format::DateTime).ok());
    written.unwrap_or_else(|| format!("{milliseconds} ms")).replace('T', " ").replace('Z', "")
}

pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// `caller 2, who 1`
pub(crate) fn counts<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    counts.iter().map(|(name, count)| format!("{} {count}", clean(name))).collect::<Vec<_>>().join(", ")
}
