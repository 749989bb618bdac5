//! Figures in their table, summed by hour and by day.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use percent_encoding::percent_decode_str;

use crate::aws::Failure;
use crate::call::model::Arrival;
use crate::history::figures::{Figures, Period};
use crate::history::key;
use crate::history::plan::FIGURES_PARTS;
use crate::history::read::dynamodb::DynamoDbCalls;
use crate::history::read::query::{Item, PK_SK, Query, read_number, read_text};
use crate::history::read::{By, Span, days};

/// Queries at once, where a request makes many.
const QUERIES_AT_ONCE: usize = 16;

/// A service of the list of services that have figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    provider: String,
    service: String,
}

impl Service {
    /// Reads the sort key that [`key::service`] makes.
    pub(super) fn parse(key: &str) -> Option<Self> {
        let decoded = |text: &str| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
        let (provider, service) = key.split_once('#')?;
        Some(Self { provider: decoded(provider)?, service: decoded(service)? })
    }

    /// The partition of a part of a day's hours.
    pub(super) fn hours(&self, day: &str, part: u32) -> String {
        key::hours(&self.provider, &self.service, day, part)
    }

    /// The partition of a year's days.
    pub(super) fn days(&self, year: &str) -> String {
        key::day_of_year(&self.provider, &self.service, year).0
    }

    pub(super) fn period(&self, day: &str, hour: Option<u8>) -> Period {
        Period { provider: self.provider.clone(), service: self.service.clone(), day: day.to_owned(), hour }
    }
}

/// The hour in the sort key of an hour's counters, `h#<hour>#<stream shard>`.
pub(super) fn hour_of(sort_key: &str) -> Option<u8> {
    sort_key.strip_prefix("h#")?.split('#').next()?.parse().ok().filter(|hour| *hour < 24)
}

impl Figures {
    /// Of the calls that ended, the part that was answered, here or on another device. `None` if none ended.
    pub fn answer_rate(&self) -> Option<f64> {
        let of = |outcome: &str| self.outcomes.get(outcome).copied().unwrap_or_default();
        let ended = self.calls - of("open");
        let answered = of("answered") + of("answered_elsewhere");
        (ended > 0).then(|| float(answered) / float(ended))
    }

    pub fn talk_minutes(&self) -> f64 {
        float(self.talk_s) / 60.0
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn float(count: i64) -> f64 {
    count as f64
}

impl DynamoDbCalls {
    /// Figures of every day or hour that a span touches. A day is summed from its hours until it is over and
    /// has been rolled up.
    pub(super) async fn summed(
        &self,
        span: Span,
        by: By,
        now: Arrival,
    ) -> Result<Vec<(Period, Figures)>, Failure> {
        let services = self.services().await?;
        let days = span.days();
        let mut sums: BTreeMap<Sorted, Figures> = BTreeMap::new();
        // Today and the days that are not summed up yet come from their hours.
        let mut from_hours: Vec<(Service, String)> = Vec::new();
        for service in &services {
            let mut rolled_up = BTreeMap::new();
            if by == By::Day {
                let mut years: Vec<&str> = days.iter().filter_map(|day| day.get(..4)).collect();
                years.dedup();
                for year in years {
                    let days = self.rolled_up(service, year).await?;
                    rolled_up.extend(days.into_iter().map(|(day, sum)| (format!("{year}-{day}"), sum)));
                }
            }
            for day in &days {
                let is_over = days::begin_of(day)
                    .is_some_and(|begin| begin.milliseconds() + days::MILLISECONDS <= now.milliseconds);
                match rolled_up.remove(day).filter(|_| is_over) {
                    Some(sum) => drop(sums.insert(sorted(service.period(day, None)), sum)),
                    None => from_hours.push((service.clone(), day.clone())),
                }
            }
        }
        let queries = from_hours.into_iter().map(|(service, day)| async move {
            let hours = self.hours(&service, &day).await?;
            Ok::<_, Failure>((service, day, hours))
        });
        let found: Vec<_> = stream::iter(queries).buffered(QUERIES_AT_ONCE).try_collect().await?;
        for (service, day, hours) in found {
            for (hour, figures) in hours {
                let hour = (by == By::Hour).then_some(hour);
                if hour.is_none_or(|hour| span.touches(&day, hour)) {
                    sums.entry(sorted(service.period(&day, hour))).or_default().add(&figures, 1);
                }
            }
        }
        let kept = |figures| without_nothing(figures);
        Ok(sums.into_iter().filter_map(|((_, _, period), sum)| Some((period, kept(sum)?))).collect())
    }

    async fn services(&self) -> Result<Vec<Service>, Failure> {
        let query = Query::between(PK_SK, key::SERVICES.to_owned(), " ", "\u{10ffff}");
        let items = self.all(&self.tables.figures, query).await?;
        Ok(items.iter().filter_map(|item| Service::parse(&read_text(item, PK_SK.sort)?)).collect())
    }

    /// The counters of a day's hours.
    async fn hours(&self, service: &Service, day: &str) -> Result<Vec<(u8, Figures)>, Failure> {
        let parts = (0..FIGURES_PARTS).map(|part| {
            let query = Query::between(PK_SK, service.hours(day, part), "h#", "h$");
            self.all(&self.tables.figures, query)
        });
        let items = try_join_all(parts).await?.concat();
        let hour = |item: &Item| hour_of(&read_text(item, PK_SK.sort)?);
        Ok(items.iter().filter_map(|item| Some((hour(item)?, read(item)))).collect())
    }

    /// The days of a year that were summed up, as `mm-dd`.
    async fn rolled_up(&self, service: &Service, year: &str) -> Result<BTreeMap<String, Figures>, Failure> {
        let query = Query::between(PK_SK, service.days(year), "d#", "d$");
        let items = self.all(&self.tables.figures, query).await?;
        let day = |item: &Item| Some(read_text(item, PK_SK.sort)?.strip_prefix("d#")?.to_owned());
        Ok(items.iter().filter_map(|item| Some((day(item)?, read(item)))).collect())
    }
}

/// Oldest first, then by service.
type Sorted = (String, Option<u8>, Period);

fn sorted(period: Period) -> Sorted {
    (period.day.clone(), period.hour, period)
}

/// The counters of an item.
pub(super) fn read(item: &Item) -> Figures {
    let counters = |family: &str| -> BTreeMap<String, i64> {
        let named =
            item.keys().filter_map(|name| Some((name.strip_prefix(family)?, read_number(item, name)?)));
        named.map(|(word, count)| (word.to_owned(), count)).collect()
    };
    Figures {
        calls: read_number(item, "calls").unwrap_or_default(),
        talk_s: read_number(item, "talk_s").unwrap_or_default(),
        outcomes: counters("outcome:"),
        reasons: counters("reason:"),
    }
}

/// Leaves out what was taken back to nothing.
pub(super) fn without_nothing(mut figures: Figures) -> Option<Figures> {
    for counters in [&mut figures.outcomes, &mut figures.reasons] {
        counters.retain(|_, count| *count != 0);
    }
    (figures != Figures::default()).then_some(figures)
}
