//! What calls are read from: the stream that fills the lists, and the door of the history.

use aws_sdk_dynamodb::config::http::HttpRequest;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;

use super::{Finding, Findings};
use crate::error::Stop;
use crate::place::Place;
use crate::target::{base_url, connector, exchange, is_loopback};

pub(super) async fn look(place: &Place, found: &mut Findings) {
    let Some(reading) = &place.reading else {
        found.add(Finding::skipped("history", "this stack keeps no lists of calls (Reading=no)"));
        return;
    };
    if place.deployed().is_some() {
        found.add(Finding::of("project's trigger", trigger(place).await));
    }
    found.add(match &reading.history_url {
        Some(url) => Finding::of("history's door", door(url).await),
        None => Finding::skipped("history's door", "the stack names no URL of the history"),
    });
}

/// Whether project is fed from the stream of records, and how its last batch went.
async fn trigger(place: &Place) -> Result<Finding, Stop> {
    let doing = format!("read the stream of {}", place.table);
    let tables = aws_sdk_dynamodb::Client::new(&place.config("DYNAMODB"));
    let table = tables.describe_table().table_name(&place.table).send().await.map_err(Stop::aws(&doing))?;
    let Some(stream) = table.table.and_then(|table| table.latest_stream_arn) else {
        return Ok(Finding::new("project's trigger", "the table has no stream", "deploy with Reading=yes"));
    };
    let client = aws_sdk_lambda::Client::new(&place.config("LAMBDA"));
    let listed = client.list_event_source_mappings().event_source_arn(stream).send().await;
    let listed = listed.map_err(Stop::aws("read what feeds project"))?;
    let mappings = listed.event_source_mappings();
    let states: Vec<&str> = mappings.iter().filter_map(|each| each.state()).collect();
    let results: Vec<&str> = mappings.iter().filter_map(|each| each.last_processing_result()).collect();
    let failed = results.iter().any(|result| result.contains("PROBLEM"));
    let advice = match (states.as_slice(), failed) {
        (["Enabled"], false) => "",
        (["Enabled"], true) => "its log says what failed: ringback tail; then docs/runbook.md",
        _ => "aws lambda update-event-source-mapping --uuid … --enabled, or deploy again",
    };
    let said = [states.join(", "), results.join(", ")].join(": ");
    Ok(Finding::new("project's trigger", said.trim_end_matches(": ").to_owned(), advice))
}

/// Whether a request without a signature is refused.
async fn door(url: &str) -> Result<Finding, Stop> {
    let base = base_url(url)?;
    let connector = SharedHttpConnector::new(connector(is_loopback(&base), &base)?);
    let wrong = |_| Stop::new(format!("{base} is no address"));
    let request = HttpRequest::get(format!("{base}/rooms/live")).map_err(wrong)?;
    let answer = exchange(&connector, request).await.map_err(Stop::new)?;
    let status = answer.status.unwrap_or_default();
    let advice =
        if matches!(status, 401 | 403) { "" } else { "anybody can read calls: deploy the API again" };
    Ok(Finding::new("history's door", format!("{status} without a signature"), advice))
}
