//! Logging: what goes to standard output, and in which form.

use std::io::{Write, stdout};
use std::panic;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::call::model::Arrival;
use crate::lambda::metrics::{LogLine, Namespace};

/// Level and format, from Lambda's logging configuration.
#[derive(Clone, Debug)]
pub struct LogControls {
    level: LevelFilter,
    level_name: String,
    json: bool,
}

impl LogControls {
    /// Reads the level, `INFO` unless it is a known one, and the format, JSON unless it is text.
    pub fn parse(level: Option<&str>, format: Option<&str>) -> Self {
        let known = level.map(str::to_ascii_uppercase).and_then(|name| {
            // Lambda has a level above the highest of tracing's; it then drops all lower ones.
            let level = if name == "FATAL" { LevelFilter::OFF } else { name.parse().ok()? };
            Some((level, name))
        });
        let (level, level_name) = known.unwrap_or_else(|| (LevelFilter::INFO, "INFO".to_owned()));
        let json = format.is_none_or(|format| !format.eq_ignore_ascii_case("text"));
        Self { level, level_name, json }
    }
}

/// Starts logging as Lambda's log controls say. Other crates log from `WARN` up: below that they
/// print requests.
pub fn start(controls: &LogControls) {
    let LogControls { level, json, .. } = *controls;
    let plain = tracing_subscriber::fmt::layer().with_target(false);
    let lines = if json {
        plain.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
    } else {
        plain.with_ansi(false).boxed()
    };
    let talk =
        Targets::new().with_default(LevelFilter::WARN.min(level)).with_target(env!("CARGO_PKG_NAME"), level);
    // A second start in one process (tests) keeps the first.
    let _ = tracing_subscriber::registry().with(lines).with(talk).try_init();
    // The default hook prints the panic's message, which may quote what was sent.
    panic::set_hook(Box::new(|panic| {
        let (file, line) =
            panic.location().map_or(("unknown", 0), |location| (location.file(), location.line()));
        tracing::error!(file, line, "panic");
    }));
}

/// Writes a function's log lines.
#[derive(Clone, Debug)]
pub struct Log {
    controls: LogControls,
    namespace: Namespace,
}

impl Log {
    pub fn new(controls: LogControls, namespace: Namespace) -> Self {
        Self { controls, namespace }
    }

    pub fn print(&self, message: &'static str, level: Level, line: LogLine, at: Arrival) {
        let mut text = self.lines(message, level, line, at).join("\n");
        text.push('\n');
        // One write, so that lines never mix. A closed standard output is ignored.
        let _ = stdout().lock().write_all(text.as_bytes());
    }

    /// What is printed: one line that is log and metrics; only the metrics, if the log is set to be
    /// quieter than the line's level; both, one after the other, if the format is plain text.
    pub fn lines(&self, message: &'static str, level: Level, line: LogLine, at: Arrival) -> Vec<String> {
        let talks = level <= self.controls.level;
        let mut head = LogLine::default();
        head.detail("timestamp", time_of_day(at));
        if self.controls.json && talks {
            head.detail("level", Some(level.as_str()));
            head.detail("message", Some(message));
            return vec![head.followed_by(line).in_metric_format(&self.namespace, at)];
        }
        let plain = talks.then(|| in_words(level, message, &line, at));
        // Lambda drops lines below the function's level, and takes a line without time and level
        // for INFO.
        head.detail("level", Some(self.controls.level_name.as_str()));
        let metrics = head.followed_by(line.without_details()).in_metric_format(&self.namespace, at);
        plain.into_iter().chain([metrics]).collect()
    }
}

fn time_of_day(at: Arrival) -> Option<String> {
    DateTime::from_millis(i64::try_from(at.milliseconds).ok()?).fmt(Format::DateTime).ok()
}

fn in_words(level: Level, message: &str, line: &LogLine, at: Arrival) -> String {
    let fields: String = line.fields().map(|(name, value)| format!(" {name}={value}")).collect();
    format!("{} {:>5} {message}{fields}", time_of_day(at).unwrap_or_default(), level.as_str())
}
