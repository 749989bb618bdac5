//! `ringback tail`: what happens now, as the functions' logs tell it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_cloudwatchlogs::Client;
use aws_smithy_types::date_time::{DateTime, Format};
use clap::Args;
use serde_json::json;

use crate::error::Stop;
use crate::lines::line;
use crate::output::{Output, now};
use crate::place::{Deployed, Kind, Place, Where, functions};

const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// CloudWatch shows an entry some seconds after the time that it bears, so each look goes back a little.
const DELAY_MILLISECONDS: i64 = 30_000;

/// Show what happens now, until Ctrl-C
#[derive(Args, Debug)]
pub(crate) struct Tail {
    /// One function's lines only
    #[arg(long)]
    function: Option<String>,
    /// How far to look back first, such as 30s, 15m, 2h or 1d
    #[arg(long, default_value = "15m", value_parser = ago)]
    since: Duration,
    /// Print what there is and end
    #[arg(long)]
    no_follow: bool,
}

fn ago(text: &str) -> Result<Duration, String> {
    let units = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    let unit = units.into_iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
    let read = unit.and_then(|(digits, seconds)| Some(digits.parse::<u32>().ok()? * seconds));
    read.map(|seconds| Duration::from_secs(seconds.into()))
        .ok_or_else(|| "such as 30s, 15m, 2h or 1d".to_owned())
}

/// An entry of a log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// Milliseconds since the epoch; the local stack's lines bear their time themselves.
    at: Option<u64>,
    function: String,
    text: String,
}

enum Logs {
    /// Files and how much of each was read, and from when on lines are shown.
    Files(BTreeMap<String, (PathBuf, u64)>, String),
    Groups(Box<Groups>),
}

struct Groups {
    client: Client,
    /// The group of each function, and from when on it is read.
    groups: BTreeMap<String, (String, i64)>,
    /// Entries that a look may find again, and when they were written.
    seen: BTreeMap<String, i64>,
}

impl Tail {
    pub(crate) async fn run(self, at: &Where, out: Output) -> Result<(), Stop> {
        let place = at.place().await?;
        let mut logs = match &place.kind {
            Kind::Local(local) => {
                Logs::files(&local.folder, self.function.as_deref(), now().saturating_sub(self.since))?
            }
            Kind::Deployed(stack) => self.groups(&place, stack).await?,
        };
        loop {
            for Entry { at, function, text } in logs.latest().await? {
                if out.json {
                    let value = serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
                    out.result(&json!({ "function": function, "at": at, "line": value }), "");
                } else if let Some(line) = line(&function, at, &text) {
                    out.tell(&line);
                }
            }
            if self.no_follow {
                return Ok(());
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    async fn groups(&self, place: &Place, stack: &Deployed) -> Result<Logs, Stop> {
        let functions: BTreeSet<String> = functions().collect();
        let listed = stack.resources(place, "AWS::Logs::LogGroup").await?;
        let all = listed.into_iter().map(|(logical, group)| (kebab(&logical, "Logs"), group));
        let since = milliseconds(now().saturating_sub(self.since));
        let only = self.function.as_deref();
        // The access logs have no function. They are shown when asked for.
        let chosen = all.filter(|(name, _)| only.map_or(functions.contains(name), |only| only == name));
        let groups: BTreeMap<_, _> = chosen.map(|(name, group)| (name, (group, since))).collect();
        if groups.is_empty() {
            let which = only.unwrap_or("any function");
            return Err(Stop::new(format!("{} has no log group of {which}", stack.name)));
        }
        let client = Client::new(&place.config("LOGS"));
        Ok(Logs::Groups(Box::new(Groups { client, groups, seen: BTreeMap::new() })))
    }
}

impl Logs {
    fn files(folder: &Path, only: Option<&str>, since: Duration) -> Result<Self, Stop> {
        let mut files = BTreeMap::new();
        for name in functions() {
            if only.is_none_or(|only| only == name) {
                files.insert(name.clone(), (folder.join(format!("{name}.log")), 0));
            }
        }
        if files.is_empty() {
            return Err(Stop::new(format!("there is no function {}", only.unwrap_or_default())));
        }
        let since = DateTime::from_secs(milliseconds(since) / 1_000).fmt(Format::DateTime);
        Ok(Self::Files(files, since.unwrap_or_default()))
    }

    /// What has come since the last look, in the order of its time.
    async fn latest(&mut self) -> Result<Vec<Entry>, Stop> {
        let mut entries = match self {
            Self::Files(files, since) => {
                let mut entries = Vec::new();
                for (function, (path, read)) in files {
                    let lines = appended(path, read)?;
                    let entry = |text: String| Entry { at: None, function: function.clone(), text };
                    let recent = |entry: &Entry| is_recent(&written_at(&entry.text), since);
                    entries.extend(lines.into_iter().map(entry).filter(recent));
                }
                entries.sort_by_key(|entry| written_at(&entry.text));
                return Ok(entries);
            }
            Self::Groups(groups) => groups.latest().await?,
        };
        entries.sort();
        Ok(entries)
    }
}

impl Groups {
    async fn latest(&mut self) -> Result<Vec<Entry>, Stop> {
        let mut entries = Vec::new();
        for (function, (group, since)) in &mut self.groups {
            let asked = self.client.filter_log_events().log_group_name(group.as_str()).start_time(*since);
            let mut pages = asked.into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(Stop::aws(&format!("read {group}")))?;
                for event in page.events() {
                    let (Some(id), Some(at)) = (event.event_id(), event.timestamp()) else { continue };
                    if self.seen.insert(id.to_owned(), at).is_none() {
                        let text = event.message().unwrap_or_default().to_owned();
                        entries.push(Entry { at: u64::try_from(at).ok(), function: function.clone(), text });
                        *since = (*since).max(at - DELAY_MILLISECONDS);
                    }
                }
            }
        }
        let oldest = self.groups.values().map(|(_, since)| *since).min().unwrap_or_default();
        self.seen.retain(|_, at| *at >= oldest);
        Ok(entries)
    }
}

/// The whole lines that were written to a file since the last look. A file that is shorter now is a new one.
fn appended(path: &Path, read: &mut u64) -> Result<Vec<String>, Stop> {
    let Ok(mut file) = std::fs::File::open(path) else { return Ok(Vec::new()) };
    if file.metadata()?.len() < *read {
        *read = 0;
    }
    file.seek(SeekFrom::Start(*read))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |position| position + 1);
    *read += whole as u64;
    bytes.truncate(whole);
    Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
}

/// The time that a line bears, as text that sorts: a fraction of a second has as many digits as it needs, and
/// `.69Z` would be after `.698Z`.
fn written_at(text: &str) -> String {
    let fields: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let time = fields.get("timestamp").and_then(|time| time.as_str()).unwrap_or_default();
    time.trim_end_matches('Z').to_owned()
}

/// Times of the same form sort as text. A line without one is shown.
fn is_recent(written_at: &str, since: &str) -> bool {
    written_at.is_empty() || written_at >= since.trim_end_matches('Z')
}

/// `CallEventFunction` as `call-event`.
fn kebab(logical: &str, suffix: &str) -> String {
    let name = logical.strip_suffix(suffix).unwrap_or(logical);
    let dashed = name.char_indices().flat_map(|(position, each)| {
        let dash = (position > 0 && each.is_ascii_uppercase()).then_some('-');
        dash.into_iter().chain([each.to_ascii_lowercase()])
    });
    dashed.collect()
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_is_read_by_whole_lines_each_once_and_from_the_start_when_it_is_new() {
        let path = std::env::temp_dir().join(format!("ringback-tail-{:016x}", fastrand::u64(..)));
        let write = |text: &str, truncate: bool| {
            let mut options = std::fs::OpenOptions::new();
            let options = options.create(true).write(true).append(!truncate).truncate(truncate);
            options.open(&path).unwrap().write_all(text.as_bytes()).unwrap();
        };
        let mut read = 0;
        assert_eq!(appended(&path, &mut read).unwrap(), [""; 0]);
        write("one\ntw", false);
        assert_eq!(appended(&path, &mut read).unwrap(), ["one"]);
        write("o\n", false);
        assert_eq!(appended(&path, &mut read).unwrap(), ["two"]);
        write("new\n", true);
        assert_eq!(appended(&path, &mut read).unwrap(), ["new"]);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn lines_sort_by_their_time_whatever_digits_it_has() {
        let line = |time: &str| written_at(&format!(r#"{{"timestamp":"2026-11-04T08:07:{time}Z"}}"#));
        let sorted = ["48", "48.69", "48.698", "48.7", "49"].map(line);
        assert!(sorted.is_sorted(), "{sorted:?}");
    }

    #[test]
    fn a_line_from_before_is_not_shown() {
        let since = "2026-11-04T08:07:48Z";
        assert!(is_recent("2026-11-04T08:07:48.123Z", "2026-11-04T08:07:47Z") && is_recent("", since));
        assert!(!is_recent("2026-11-04T08:07:47.999Z", since));
    }

    #[test]
    fn functions_are_named_as_their_folders_and_times_as_people_say_them() {
        assert_eq!(kebab("AgentCallStatusFunction", "Function"), "agent-call-status");
        assert_eq!(ago("15m"), Ok(Duration::from_secs(900)));
        for text in ["", "15", "m", "1w", "-1s", "é"] {
            assert!(ago(text).is_err(), "{text}");
        }
    }
}
