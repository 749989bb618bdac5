//! What calls are read from: the stream of the records, what follows it, the lists, and the API.

use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::types::{Dimension, Statistic};
use aws_sdk_dynamodb::types::{StreamViewType, TableDescription};
use aws_smithy_types::DateTime;

use super::stack::ONLY_ON_AWS;
use super::{Finding, Findings};
use crate::devices::get_unsigned;
use crate::error::Stop;
use crate::place::{Deployed, Place, Reading};
use crate::target::Answer;
use crate::views::Views;

const STREAM: &str = "stream of the records";
const TRIGGER: &str = "project's trigger";
const BEHIND: &str = "project keeps up";
const LISTS: &str = "lists of calls";
const HISTORY: &str = "history without a signature";
/// A change that waits longer than this is late. A stream forgets it after 24 hours.
const LATE: Duration = Duration::from_secs(300);
/// How far back the age of changes is looked at.
const RECENTLY: Duration = Duration::from_secs(900);

pub(super) async fn look(place: &Place, found: &mut Findings) {
    let Some(reading) = &place.reading else {
        found.add(Finding::skipped(LISTS, "this Ringback has none: Reading=no"));
        return;
    };
    let table = records(place).await;
    if let (Ok(table), Some(stack)) = (&table, place.deployed()) {
        found.add(Finding::of(TRIGGER, trigger(place, table).await));
        found.add(Finding::of(BEHIND, behind(place, stack).await));
    } else {
        for check in [TRIGGER, BEHIND] {
            found.add(Finding::skipped(check, ONLY_ON_AWS));
        }
    }
    found.add(Finding::of(STREAM, table.map(|table| stream(&table))));
    found.add(Finding::of(LISTS, lists(place, reading).await));
    found.add(match &reading.history_url {
        Some(url) => Finding::of(HISTORY, get_unsigned(url, "/calls").await.map(|answer| unsigned(&answer))),
        None => Finding::skipped(HISTORY, "this Ringback has no HistoryUrl"),
    });
}

async fn records(place: &Place) -> Result<TableDescription, Stop> {
    let client = aws_sdk_dynamodb::Client::new(&place.config("DYNAMODB"));
    let described = client.describe_table().table_name(&place.table).send().await;
    let described = described.map_err(Stop::aws(&format!("read the settings of {}", place.table)))?;
    described.table.ok_or_else(|| Stop::new(format!("{} is not described", place.table)))
}

fn stream(table: &TableDescription) -> Finding {
    let stream = table.stream_specification().filter(|stream| stream.stream_enabled());
    let images = stream.and_then(|stream| stream.stream_view_type());
    let right = images == Some(&StreamViewType::NewAndOldImages);
    let advice = if right { "" } else { "no change reaches the lists: deploy the template again" };
    Finding::new(STREAM, images.map_or("off", |images| images.as_str()), advice)
}

/// Whether project is fed from the stream, and what became of the last batch.
async fn trigger(place: &Place, table: &TableDescription) -> Result<Finding, Stop> {
    let client = aws_sdk_lambda::Client::new(&place.config("LAMBDA"));
    let stream = table.latest_stream_arn().unwrap_or_default();
    let listed = client.list_event_source_mappings().event_source_arn(stream).send().await;
    let listed = listed.map_err(Stop::aws("read what feeds project"))?;
    let mappings = listed.event_source_mappings().iter();
    let states: Vec<(String, String, i32)> = mappings
        .map(|each| {
            let [state, last] = [each.state(), each.last_processing_result()].map(Option::unwrap_or_default);
            (state.to_owned(), last.to_owned(), each.tumbling_window_in_seconds().unwrap_or_default())
        })
        .collect();
    Ok(judge_trigger(&states))
}

/// Each mapping's state, the result of its last batch, and the seconds of its window.
fn judge_trigger(mappings: &[(String, String, i32)]) -> Finding {
    let seen: Vec<String> = mappings
        .iter()
        .map(|(state, last, _)| if last.is_empty() { state.clone() } else { format!("{state}, {last}") })
        .collect();
    let seen = if seen.is_empty() { "none".to_owned() } else { seen.join("; ") };
    let enabled = matches!(mappings, [(state, ..)] if state == "Enabled");
    let failed = mappings.iter().any(|(_, last, _)| last.starts_with("PROBLEM"));
    // Without a window Lambda does not name the shard, and project refuses the batch.
    let has_window = mappings.iter().all(|(.., seconds)| *seconds > 0);
    let advice = if !enabled {
        "aws lambda update-event-source-mapping --uuid … --enabled, or deploy again"
    } else if !has_window {
        "aws lambda update-event-source-mapping --uuid … --tumbling-window-in-seconds 900"
    } else if failed {
        "see project's log, and docs/first-deployment.md, Reading"
    } else {
        ""
    };
    Finding::new(TRIGGER, seen, advice)
}

/// How old changes were when project got them.
async fn behind(place: &Place, stack: &Deployed) -> Result<Finding, Stop> {
    let functions = stack.functions(place).await?;
    let Some(name) = ["ProjectFunction", "project"].iter().find_map(|name| functions.get(*name)) else {
        return Ok(Finding::skipped(BEHIND, "this Ringback has no function project"));
    };
    let client = aws_sdk_cloudwatch::Client::new(&place.config("CLOUDWATCH"));
    let now = SystemTime::now();
    let asked = client.get_metric_statistics().namespace("AWS/Lambda").metric_name("IteratorAge");
    let asked = asked.dimensions(Dimension::builder().name("FunctionName").value(name).build());
    let asked = asked.start_time(DateTime::from(now - RECENTLY)).end_time(DateTime::from(now));
    let answer = asked.period(60).statistics(Statistic::Maximum).send().await;
    let answer = answer.map_err(Stop::aws("read how far project is behind"))?;
    let mut points: Vec<(i64, f64)> = answer
        .datapoints()
        .iter()
        .filter_map(|point| Some((point.timestamp()?.secs(), point.maximum()?)))
        .collect();
    points.sort_by_key(|(at, _)| *at);
    Ok(judge_age(points.last().map(|(_, milliseconds)| *milliseconds)))
}

fn judge_age(milliseconds: Option<f64>) -> Finding {
    let Some(milliseconds) = milliseconds else {
        return Finding::new(BEHIND, "no change in 15 minutes", "");
    };
    let seconds = milliseconds / 1_000.0;
    let advice =
        if seconds > LATE.as_secs_f64() { "the lists are late: docs/runbook.md, Project behind" } else { "" };
    Finding::new(BEHIND, format!("{seconds:.1} s behind"), advice)
}

/// Whether the lists and the figures can be read.
async fn lists(place: &Place, reading: &Reading) -> Result<Finding, Stop> {
    let Some(views) = Views::of(place) else { return Err(Stop::new("this Ringback has no lists")) };
    let mut live = 0;
    for shard in 0..reading.shards {
        live += views.live(shard).await?;
    }
    let services = views.known_services().await?.len();
    Ok(Finding::new(LISTS, format!("{live} live calls, {services} services with figures"), ""))
}

fn unsigned(answer: &Answer) -> Finding {
    let seen = answer.status.map_or_else(|| answer.body.clone(), |status| status.to_string());
    let right = matches!(answer.status, Some(401 | 403));
    let advice = "anyone can read the calls: docs/first-deployment.md, Reading";
    Finding::new(HISTORY, seen, if right { "" } else { advice })
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::StreamSpecification;

    use super::*;

    #[test]
    fn a_stream_must_be_on_and_tell_what_was_before() {
        let table = |enabled, images: StreamViewType| {
            let stream = StreamSpecification::builder().stream_enabled(enabled).stream_view_type(images);
            TableDescription::builder().stream_specification(stream.build().unwrap()).build()
        };
        assert_eq!(stream(&table(true, StreamViewType::NewAndOldImages)).advice, "");
        for wrong in [
            table(true, StreamViewType::NewImage),
            table(false, StreamViewType::NewAndOldImages),
            TableDescription::builder().build(),
        ] {
            assert!(stream(&wrong).advice.contains("deploy the template"), "{wrong:?}");
        }
    }

    #[test]
    fn project_is_fed_by_one_trigger_that_works() {
        let judge_with = |window: i32, mappings: &[(&str, &str)]| {
            let owned = |(state, last): &(&str, &str)| ((*state).to_owned(), (*last).to_owned(), window);
            judge_trigger(&mappings.iter().map(owned).collect::<Vec<_>>()).advice
        };
        let judge = |mappings: &[(&str, &str)]| judge_with(900, mappings);
        assert!(judge_with(0, &[("Enabled", "PROBLEM: Function call failed")]).contains("tumbling-window"));
        assert_eq!(judge(&[("Enabled", "OK")]), "");
        assert_eq!(judge(&[("Enabled", "No records processed")]), "");
        assert!(judge(&[("Enabled", "PROBLEM: Function call failed")]).contains("project's log"));
        for wrong in [&[][..], &[("Disabled", "OK")], &[("Enabled", "OK"), ("Enabled", "OK")]] {
            assert!(judge(wrong).contains("--enabled"), "{wrong:?}");
        }
    }

    #[test]
    fn changes_that_wait_for_minutes_are_a_finding_and_a_quiet_stack_is_none() {
        assert_eq!(judge_age(None).advice, "");
        assert_eq!(judge_age(Some(1_500.0)).seen, "1.5 s behind");
        assert_eq!(judge_age(Some(300_000.0)).advice, "");
        assert!(judge_age(Some(300_001.0)).advice.contains("late"));
    }

    #[test]
    fn a_history_that_answers_anyone_is_a_finding() {
        for (status, right) in [(Some(401), true), (Some(403), true), (Some(200), false), (None, false)] {
            let answer = Answer { status, ..Answer::default() };
            assert_eq!(unsigned(&answer).advice.is_empty(), right, "{status:?}");
        }
    }
}
