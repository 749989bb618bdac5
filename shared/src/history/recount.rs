//! Compares the counters of hours with a count of the calls in the day's list.

use std::collections::BTreeMap;

use crate::aws::Failure;
use crate::call::model::Arrival;
use crate::history::figures::{Figures, Period};
use crate::history::key;
use crate::history::plan::counters_expire_at;
use crate::history::read::{By, Filter, LARGEST_PAGE, Page, ReadCalls, Span};
use crate::history::tables::FiguresTable;

/// The shard of the stream under which corrections stand. No shard of a stream has this name.
const CORRECTIONS: &str = "recount";

/// What is to be added to an hour's counters, so that they are those of the calls in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    pub period: Period,
    pub figures: Figures,
}

/// The differences in a span, oldest first. The span must begin and end with an hour.
///
/// Changes that are on their way are not in both yet. So what differs is to be counted again after some
/// seconds; see [`lasting`].
///
/// # Errors
/// [`Failure`] if the tables cannot be read.
pub async fn differences(
    reader: &impl ReadCalls,
    span: Span,
    now: Arrival,
) -> Result<Vec<Difference>, Failure> {
    let mut differences: BTreeMap<Period, Figures> = BTreeMap::new();
    let mut page = Page { limit: LARGEST_PAGE, after: None };
    loop {
        let calls = reader.calls(span, &Filter::default(), &page, now).await?;
        for call in &calls.rows {
            let (period, figures) = Figures::of_row(call);
            differences.entry(period).or_default().add(&figures, 1);
        }
        page.after = calls.next;
        if page.after.is_none() {
            break;
        }
    }
    for (period, figures) in reader.figures(span, By::Hour, now).await? {
        differences.entry(period).or_default().add(&figures, -1);
    }
    let differing = differences.into_iter().filter(|(_, figures)| !figures.counters().is_empty());
    Ok(differing.map(|(period, figures)| Difference { period, figures }).collect())
}

/// The differences that two counts have in common.
pub fn lasting(first: &[Difference], second: Vec<Difference>) -> Vec<Difference> {
    second.into_iter().filter(|difference| first.contains(difference)).collect()
}

/// Adds what is missing to an hour.
///
/// # Errors
/// [`Failure`] if DynamoDB does not take it, or if it is not known whether it did.
pub async fn repair(figures: &FiguresTable, difference: &Difference) -> Result<(), Failure> {
    let Period { provider, service, day, hour } = &difference.period;
    let sort = key::hour(hour.unwrap_or_default(), CORRECTIONS);
    let counter = (key::hours(provider, service, day, 0), sort);
    figures.correct(&counter, &difference.figures, counters_expire_at(&difference.period)).await
}
