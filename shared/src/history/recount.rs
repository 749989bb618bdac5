//! Compares the counters of hours with a count of the calls in the day's list. Where the hours of a day may
//! be gone, it compares the day's counters.

use std::collections::BTreeMap;

use crate::aws::Failure;
use crate::call::model::{Arrival, Moment};
use crate::history::figures::{Figures, Period};
use crate::history::key;
use crate::history::plan::counters_expire_at;
use crate::history::projector::AddFigures;
use crate::history::read::{By, Filter, LARGEST_PAGE, Page, ReadCalls, Span, days};
use crate::history::roll_up;
use crate::history::tables::FiguresTable;

/// The shard of the stream under which corrections stand. No shard of a stream has this name.
const CORRECTIONS: &str = "recount";

/// What is to be added to counters, so that they are those of the calls in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// An hour, or a day whose hours may be gone.
    pub period: Period,
    pub figures: Figures,
    /// The figures of the calls in the list.
    pub counted: Figures,
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
    let oldest = now.milliseconds / days::MILLISECONDS * days::MILLISECONDS;
    let oldest = Moment::from_milliseconds(oldest.saturating_sub(roll_up::DAYS * days::MILLISECONDS).max(1));
    let oldest = oldest.unwrap_or(span.from).clamp(span.from, span.to);
    let mut counted: BTreeMap<Period, Figures> = BTreeMap::new();
    let mut page = Page { limit: LARGEST_PAGE, after: None };
    loop {
        let calls = reader.calls(span, &Filter::default(), &page, now).await?;
        for call in &calls.rows {
            let (period, figures) = Figures::of_row(call);
            let hour = period.hour.filter(|_| call.at >= oldest);
            counted.entry(Period { hour, ..period }).or_default().add(&figures, 1);
        }
        page.after = calls.next;
        if page.after.is_none() {
            break;
        }
    }
    let mut differences = counted.clone();
    let days = reader.figures(Span { to: oldest, ..span }, By::Day, now).await?;
    let hours = reader.figures(Span { from: oldest, ..span }, By::Hour, now).await?;
    for (period, figures) in days.into_iter().chain(hours) {
        differences.entry(period).or_default().add(&figures, -1);
    }
    let differing = differences.into_iter().filter(|(_, figures)| !figures.counters().is_empty());
    let difference = |(period, figures)| {
        let counted = counted.get(&period).cloned().unwrap_or_default();
        Difference { period, figures, counted }
    };
    Ok(differing.map(difference).collect())
}

/// The differences that two counts have in common.
pub fn lasting(first: &[Difference], second: Vec<Difference>) -> Vec<Difference> {
    let is_same = |a: &Difference, b: &Difference| a.period == b.period && a.figures == b.figures;
    second.into_iter().filter(|found| first.iter().any(|known| is_same(known, found))).collect()
}

/// Whether the list has calls of the time. Without any they may have expired, and only the figures know them.
pub fn can_be_repaired(difference: &Difference) -> bool {
    difference.counted.calls > 0
}

/// Adds what is missing to an hour, or sets a day.
///
/// # Errors
/// [`Failure`] if DynamoDB does not take it, or if it is not known whether it did.
pub async fn repair(figures: &FiguresTable, difference: &Difference) -> Result<(), Failure> {
    let Period { provider, service, day, hour } = &difference.period;
    // Without this, a service of which no call came since then has no figures for readers.
    figures.note_service(provider, service).await?;
    let Some(hour) = hour else {
        return figures.put_day(&difference.period, &difference.counted).await;
    };
    let counter = (key::hours(provider, service, day, 0), key::hour(*hour, CORRECTIONS));
    figures.correct(&counter, &difference.figures, counters_expire_at(&difference.period)).await
}
