//! `ringback rebuild` and `ringback recount`: what readers see, made again from the records, and checked.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use clap::Args;
use ringback::aws::dynamodb::TableName;
use ringback::call::model::{Arrival, Moment};
use ringback::history::figures::Period;
use ringback::history::read::dynamodb::{DynamoDbCalls, Tables};
use ringback::history::read::{Span, days};
use ringback::history::rebuild::Rebuilder;
use ringback::history::recount::{Difference, can_be_repaired, differences, lasting, repair};
use ringback::history::rows::Layout;
use ringback::history::tables::FiguresTable;
use serde_json::{Value, json};

use crate::error::Stop;
use crate::output::{Output, now};
use crate::place::{Kind, Place, Reading, Where};

/// Make the rows that lists of calls are read from again, from the records
#[derive(Args, Debug)]
pub(crate) struct Rebuild {}

/// Compare the figures of hours with a count of the calls
#[derive(Args, Debug)]
pub(crate) struct Recount {
    /// The first day, in UTC; yesterday if it is left out
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<String>,
    /// The last day, in UTC; today if it is left out
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<String>,
    /// Add what is missing to the figures
    #[arg(long)]
    repair: bool,
}

/// Changes on their way are in one count and not yet in the other one.
const SETTLES: Duration = Duration::from_secs(3);

/// The tables that calls are read from, as the library knows them.
pub(crate) struct ReadingSide {
    client: Client,
    tables: Tables,
    layout: Layout,
}

impl ReadingSide {
    pub(crate) fn of(place: &Place) -> Result<Self, Stop> {
        let none = || Stop::new("this stack keeps no lists of calls: deploy it with Reading=yes");
        let Reading { views, figures, unindexed_users, shards, .. } =
            place.reading.as_ref().ok_or_else(none)?;
        let table = |name: &str| {
            TableName::parse(name).ok_or_else(|| Stop::new(format!("{name} is not the name of a table")))
        };
        let unindexed = unindexed_users.iter().filter(|user| !user.is_empty()).cloned().collect();
        Ok(Self {
            client: Client::new(&place.config("DYNAMODB")),
            tables: Tables { records: table(&place.table)?, views: table(views)?, figures: table(figures)? },
            layout: Layout { shards: *shards, unindexed },
        })
    }

    pub(crate) fn calls(&self) -> DynamoDbCalls {
        DynamoDbCalls::new(self.client.clone(), self.tables.clone(), self.layout.shards)
    }

    fn rebuilder(&self) -> Rebuilder {
        let Tables { records, views, .. } = self.tables.clone();
        Rebuilder::new(self.client.clone(), records, views, self.layout.clone())
    }
}

impl Rebuild {
    pub(crate) async fn run(self, at: &Where, out: Output) -> Result<(), Stop> {
        let place = at.place().await?;
        out.tell(&place.description());
        let progress = out.progress(None, "calls");
        let rebuilt = ReadingSide::of(&place)?.rebuilder().all(clock(), |_| progress.inc(1)).await;
        progress.finish_and_clear();
        let rebuilt = rebuilt.map_err(Stop::from_error)?;
        let value = json!({
            "calls": rebuilt.calls, "put": rebuilt.put, "deleted": rebuilt.deleted,
            "unreadable": rebuilt.unreadable, "unsettled": rebuilt.unsettled,
        });
        let mut text = match (rebuilt.put, rebuilt.deleted) {
            (0, 0) => format!("All rows of {} calls were as they should be.", rebuilt.calls),
            (put, deleted) => {
                format!("{put} rows of {} calls were put, and {deleted} were deleted.", rebuilt.calls)
            }
        };
        if rebuilt.unreadable > 0 {
            text.push_str(&format!(" {} records cannot be read by this version.", rebuilt.unreadable));
        }
        if rebuilt.unsettled > 0 {
            let calls = rebuilt.unsettled;
            text.push_str(&format!(" {calls} calls changed all the time. Run it again for them."));
        }
        out.result(&value, &text);
        Ok(())
    }
}

impl Recount {
    pub(crate) async fn run(self, at: &Where, out: Output) -> Result<(), Stop> {
        let place = at.place().await?;
        out.tell(&place.description());
        let side = ReadingSide::of(&place)?;
        let span = self.span(clock(), retention_days(&place))?;
        let first = count(&side, span).await?;
        let found = if first.is_empty() {
            first
        } else {
            tokio::time::sleep(SETTLES).await;
            lasting(&first, count(&side, span).await?)
        };
        let (of_calls, of_none): (Vec<_>, Vec<_>) = found.iter().partition(|found| can_be_repaired(found));
        let repaired = self.repair && !of_calls.is_empty();
        if repaired {
            let figures = FiguresTable::new(side.client.clone(), side.tables.figures.clone());
            for difference in &of_calls {
                repair(&figures, difference).await.map_err(Stop::from_error)?;
            }
        }
        let value = json!({
            "differences": found.iter().map(shown).collect::<Vec<Value>>(), "repaired": repaired,
        });
        let mut lines: Vec<String> = found.iter().map(line).collect();
        if !of_none.is_empty() {
            let left = "the lists have no call of them. If the calls expired, only the figures know them.";
            lines.push(format!("{} hours or days are left as they are: {left}", of_none.len()));
        }
        let found = if repaired { of_calls.len() } else { found.len() };
        lines.push(match (found, repaired) {
            (0, _) => "The figures are those of the calls.".to_owned(),
            (1, true) => "The figures of one hour or day are repaired.".to_owned(),
            (periods, true) => format!("The figures of {periods} hours or days are repaired."),
            (periods, false) => format!(
                "The figures of {periods} hours or days differ from the calls. --repair adds what is missing."
            ),
        });
        out.result(&value, &lines.join("\n"));
        Ok(())
    }

    /// Whole days whose calls are all still kept: figures outlive calls.
    fn span(&self, now: Arrival, retention_days: u64) -> Result<Span, Stop> {
        let day = days::MILLISECONDS;
        let today = now.milliseconds / day;
        let given = |text: &Option<String>, otherwise: u64| match text {
            None => Ok::<u64, Stop>(otherwise),
            Some(text) => {
                let none = || Stop::new(format!("{text} is not a day such as 2026-11-28"));
                Ok(days::begin_of(text).ok_or_else(none)?.milliseconds() / day)
            }
        };
        let (first, last) = (given(&self.from, today.saturating_sub(1))?, given(&self.to, today)?);
        if first > last {
            return Err(Stop::new("--from is after --to"));
        }
        if first + retention_days <= today {
            let why = format!("calls are kept for {retention_days} days, and figures longer");
            return Err(Stop::new(format!("not all calls of the first day are kept: {why}")));
        }
        let moments = Moment::from_milliseconds(first * day).zip(Moment::from_milliseconds((last + 1) * day));
        let (from, to) = moments.ok_or_else(|| Stop::new("these days cannot be counted"))?;
        Ok(Span { from, to })
    }
}

async fn count(side: &ReadingSide, span: Span) -> Result<Vec<Difference>, Stop> {
    differences(&side.calls(), span, clock()).await.map_err(Stop::from_error)
}

fn clock() -> Arrival {
    Arrival { milliseconds: u64::try_from(now().as_millis()).unwrap_or(u64::MAX) }
}

fn retention_days(place: &Place) -> u64 {
    let days = match &place.kind {
        Kind::Local(_) => None,
        Kind::Deployed(stack) => stack.parameters.get("RetentionDays").and_then(|days| days.parse().ok()),
    };
    days.unwrap_or(90)
}

fn shown(difference: &Difference) -> Value {
    let Period { provider, service, day, hour } = &difference.period;
    let counters = difference.figures.counters();
    json!({ "provider": provider, "service": service, "day": day, "hour": hour, "missing": counters })
}

fn line(difference: &Difference) -> String {
    let Period { provider, service, day, hour } = &difference.period;
    let counters = difference.figures.counters();
    let counters: Vec<String> = counters.iter().map(|(name, count)| format!("{name} {count:+}")).collect();
    let hour = hour.map(|hour| format!(" {hour:02}:00")).unwrap_or_default();
    format!("{day}{hour} {provider} {}: {}", crate::output::clean(service), counters.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_days_whose_calls_are_all_kept_are_counted() {
        let now = Arrival { milliseconds: 1_795_847_171_617 };
        let recount = |from: Option<&str>, to: Option<&str>| {
            let (from, to) = (from.map(str::to_owned), to.map(str::to_owned));
            Recount { from, to, repair: false }.span(now, 3).map(|span| span.days())
        };
        assert_eq!(recount(None, None).unwrap(), ["2026-11-27", "2026-11-28"]);
        assert_eq!(recount(Some("2026-11-26"), Some("2026-11-26")).unwrap(), ["2026-11-26"]);
        assert!(recount(Some("2026-11-25"), None).unwrap_err().to_string().contains("kept for 3 days"));
        assert!(recount(Some("2026-11-29"), None).unwrap_err().to_string().contains("--from"));
        assert!(recount(Some("soon"), None).unwrap_err().to_string().contains("not a day"));
    }
}
