//! CloudWatch's Embedded Metric Format: a line of JSON whose member `_aws` says which fields are
//! metrics, and with which dimensions (Amazon CloudWatch, "Specification: Embedded metric format").
//! CloudWatch reads the metrics from the log, so no function waits for a metrics API or needs a
//! permission for it.
//!
//! It is written by hand: the library for it, metrique, would bring some fifty crates
//! (docs/decisions/telemetry.md).

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::call::model::Arrival;

/// Where CloudWatch puts the metrics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Namespace(String);

impl Namespace {
    /// Reads a namespace that CloudWatch takes, and that is not one of Amazon's own.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#:".contains(&byte);
        let is_ours = !text.starts_with("AWS/") && !text.starts_with(':');
        (text.len() <= 255 && is_ours && text.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self("Ringback".to_owned())
    }
}

/// What a metric counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    Count,
    Milliseconds,
    Seconds,
}

/// Metrics with the same dimensions.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'a Namespace,
    // CloudWatch takes several sets of dimensions for the same metrics; one is enough here.
    dimensions: [&'a [&'static str]; 1],
    metrics: Vec<Metric>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: Unit,
}

/// The fields of a log line, in order.
#[derive(Clone, Debug, Default)]
pub struct LogLine {
    fields: Vec<Field>,
}

#[derive(Clone, Debug)]
struct Field {
    name: &'static str,
    value: Value,
    role: Role,
}

#[derive(Clone, Copy, Debug)]
enum Role {
    Detail,
    Dimension,
    Metric(Unit, &'static [&'static str]),
}

impl LogLine {
    /// A field for readers only. `None` is left out.
    pub fn detail(&mut self, name: &'static str, value: Option<impl Into<Value>>) {
        self.put(name, value.map(Into::into), Role::Detail);
    }

    /// A field that is a dimension of metrics.
    pub fn dimension(&mut self, name: &'static str, word: Option<impl Into<String>>) {
        self.put(name, word.map(|word| Value::String(word.into())), Role::Dimension);
    }

    /// A field that is a metric with these dimensions.
    pub fn metric(
        &mut self,
        name: &'static str,
        unit: Unit,
        by: &'static [&'static str],
        value: Option<impl Into<Value>>,
    ) {
        self.put(name, value.map(Into::into), Role::Metric(unit, by));
    }

    fn put(&mut self, name: &'static str, value: Option<Value>, role: Role) {
        self.fields.extend(value.map(|value| Field { name, value, role }));
    }

    /// This line, followed by another one's fields.
    #[must_use]
    pub fn followed_by(mut self, other: Self) -> Self {
        self.fields.extend(other.fields);
        self
    }

    /// The line without the fields for readers.
    #[must_use]
    pub fn without_details(mut self) -> Self {
        self.fields.retain(|field| !matches!(field.role, Role::Detail));
        self
    }

    /// Name and value of every field.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.fields.iter().map(|field| (field.name, &field.value))
    }

    /// The line in CloudWatch's format: the fields, and `_aws`, which describes them.
    pub fn in_metric_format(&self, namespace: &Namespace, at: Arrival) -> String {
        let mut directives: Vec<Directive<'_>> = Vec::new();
        for field in &self.fields {
            let Role::Metric(unit, by) = field.role else { continue };
            let metric = Metric { name: field.name, unit };
            match directives.iter_mut().find(|directive| directive.dimensions == [by]) {
                Some(directive) => directive.metrics.push(metric),
                None => directives.push(Directive { namespace, dimensions: [by], metrics: vec![metric] }),
            }
        }
        let metadata = Metadata { timestamp: at.milliseconds, cloud_watch_metrics: directives };
        // Names are text, and numbers are finite or null, so this cannot fail.
        serde_json::to_string(&InMetricFormat { line: self, metadata }).unwrap_or_default()
    }
}

/// What `_aws` holds.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    timestamp: u64,
    cloud_watch_metrics: Vec<Directive<'a>>,
}

struct InMetricFormat<'a> {
    line: &'a LogLine,
    metadata: Metadata<'a>,
}

impl Serialize for InMetricFormat<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        for (name, value) in self.line.fields() {
            members.serialize_entry(name, value)?;
        }
        members.serialize_entry("_aws", &self.metadata)?;
        members.end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const AT: Arrival = Arrival { milliseconds: 1_793_600_000_123 };

    fn line() -> LogLine {
        let mut line = LogLine::default();
        line.detail("sid", Some("a-session"));
        line.detail("field", None::<&str>);
        line.dimension("provider", Some("line"));
        line.dimension("callback", Some("notify"));
        line.metric("accepted", Unit::Count, &["provider"], Some(1));
        line.metric("latency_ms", Unit::Milliseconds, &["provider", "callback"], Some(1.25));
        line.metric("store_ms", Unit::Milliseconds, &["provider", "callback"], None::<f64>);
        line.metric("talk_seconds", Unit::Seconds, &["provider"], Some(30));
        line
    }

    #[test]
    fn metrics_of_the_same_dimensions_share_a_directive_and_what_is_absent_is_not_announced() {
        let read: Value =
            serde_json::from_str(&line().in_metric_format(&Namespace::parse("Ringback/prod").unwrap(), AT))
                .unwrap();
        let expected = json!({
            "sid": "a-session", "provider": "line", "callback": "notify", "accepted": 1, "latency_ms": 1.25,
            "talk_seconds": 30,
            "_aws": { "Timestamp": 1_793_600_000_123_u64, "CloudWatchMetrics": [
                { "Namespace": "Ringback/prod", "Dimensions": [["provider"]],
                  "Metrics": [
                    { "Name": "accepted", "Unit": "Count" }, { "Name": "talk_seconds", "Unit": "Seconds" },
                  ] },
                { "Namespace": "Ringback/prod", "Dimensions": [["provider", "callback"]],
                  "Metrics": [{ "Name": "latency_ms", "Unit": "Milliseconds" }] },
            ] },
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn without_its_details_a_line_measures_the_same() {
        let whole: Value = serde_json::from_str(&line().in_metric_format(&Namespace::default(), AT)).unwrap();
        let bare: Value =
            serde_json::from_str(&line().without_details().in_metric_format(&Namespace::default(), AT))
                .unwrap();
        assert_eq!(bare["_aws"], whole["_aws"]);
        assert_eq!(bare.get("sid"), None);
    }

    #[test]
    fn metrics_go_where_cloudwatch_takes_them() {
        assert!(Namespace::parse("Ringback/prod-eu").is_some());
        for text in ["AWS/Lambda", ":x", "a b", "a\"b", "é"] {
            assert_eq!(Namespace::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_field_holds_the_line_is_one_line_of_json_and_every_metric_is_a_number_in_it(
            sid in "\\PC{0,40}|[\\x00-\\x1f\"\\\\]{0,10}", latency in 0.0_f64..1e6, talk: u64,
        ) {
            let mut line = LogLine::default();
            line.detail("sid", Some(sid.as_str()));
            line.dimension("provider", Some("tencent"));
            line.metric("latency_ms", Unit::Milliseconds, &["provider"], Some(latency));
            line.metric("talk_seconds", Unit::Seconds, &["provider"], Some(talk));
            let text = line.in_metric_format(&Namespace::default(), AT);
            prop_assert!(!text.contains('\n'));
            let read: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read["sid"].as_str(), Some(sid.as_str()));
            for directive in read["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
                for metric in directive["Metrics"].as_array().unwrap() {
                    prop_assert!(read[metric["Name"].as_str().unwrap()].is_number());
                }
                for dimension in directive["Dimensions"][0].as_array().unwrap() {
                    prop_assert!(read[dimension.as_str().unwrap()].is_string());
                }
            }
        }
    }
}
