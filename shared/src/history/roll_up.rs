//! Sums the hours of past days into days, which do not expire.

use std::collections::BTreeMap;

use crate::aws::Failure;
use crate::call::model::{Arrival, Moment};
use crate::history::figures::{Figures, Period};
use crate::history::read::{By, ReadCalls, Span, days};
use crate::history::tables::FiguresTable;

/// Days that are summed again, because late callbacks correct them. The hours are kept a little longer.
pub const DAYS: u64 = 35;

/// Sets the counters of a day.
pub trait SetDay {
    fn set_day(&self, period: &Period, figures: &Figures) -> impl Future<Output = Result<(), Failure>>;
}

impl SetDay for FiguresTable {
    async fn set_day(&self, period: &Period, figures: &Figures) -> Result<(), Failure> {
        self.put_day(period, figures).await
    }
}

/// Sums the last 35 whole days of each service. Returns how many days were set. Doing it again sets the
/// same.
///
/// # Errors
/// [`Failure`] if the hours cannot be read or a day cannot be set.
pub async fn roll_up(reader: &impl ReadCalls, figures: &impl SetDay, now: Arrival) -> Result<usize, Failure> {
    let today = now.milliseconds / days::MILLISECONDS * days::MILLISECONDS;
    let from = today.saturating_sub(DAYS * days::MILLISECONDS).max(1);
    let (Some(from), Some(to)) = (Moment::from_milliseconds(from), Moment::from_milliseconds(today)) else {
        return Ok(0);
    };
    // A day that was set before may have lost its last call to a correction.
    let known = reader.figures(Span { from, to }, By::Day, now).await?;
    let mut sums: BTreeMap<Period, Figures> =
        known.into_iter().map(|(period, _)| (period, Figures::default())).collect();
    for (period, hour) in reader.figures(Span { from, to }, By::Hour, now).await? {
        sums.entry(Period { hour: None, ..period }).or_default().add(&hour, 1);
    }
    for (period, sum) in &sums {
        figures.set_day(period, sum).await?;
    }
    Ok(sums.len())
}
