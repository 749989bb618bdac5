//! Days and hours of a span, in UTC.

use time::format_description::well_known::Iso8601;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use crate::call::model::Moment;
use crate::history::read::Span;

/// Milliseconds of a day.
pub const MILLISECONDS: u64 = 86_400_000;
/// Milliseconds of an hour.
pub const HOUR_MILLISECONDS: u64 = 3_600_000;

/// The day of a moment, as `yyyy-mm-dd`.
pub fn day_of(moment: Moment) -> String {
    let seconds = i64::try_from(moment.milliseconds() / 1_000).unwrap_or_default();
    let date = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH).date();
    date.format(format_description!("[year]-[month]-[day]")).unwrap_or_default()
}

/// The hour of its day that a moment is in.
pub fn hour_of(moment: Moment) -> u8 {
    u8::try_from(moment.milliseconds() / HOUR_MILLISECONDS % 24).unwrap_or_default()
}

/// A moment as RFC 3339 writes it, in UTC.
pub fn rfc3339(moment: Moment) -> Option<String> {
    let nanoseconds = i128::from(moment.milliseconds()) * 1_000_000;
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()?;
    at.format(&time::format_description::well_known::Rfc3339).ok()
}

/// When a day begins. `None` if the text is not a day as `yyyy-mm-dd`.
pub fn begin_of(day: &str) -> Option<Moment> {
    let seconds = Date::parse(day, &Iso8601::DATE).ok()?.midnight().assume_utc().unix_timestamp();
    Moment::from_milliseconds(u64::try_from(seconds).ok()? * 1_000)
}

impl Span {
    /// The last moment of the span. `None` if there is none in it.
    pub fn last(self) -> Option<Moment> {
        let last = Moment::from_milliseconds(self.to.milliseconds() - 1)?;
        (self.from <= last).then_some(last)
    }

    /// Whether an hour of a day has a moment in it.
    pub fn touches(self, day: &str, hour: u8) -> bool {
        let begin = begin_of(day).map_or(0, Moment::milliseconds) + u64::from(hour) * HOUR_MILLISECONDS;
        begin < self.to.milliseconds() && self.from.milliseconds() < begin + HOUR_MILLISECONDS
    }

    /// Its days, the first one first, as `yyyy-mm-dd`.
    pub fn days(self) -> Vec<String> {
        let Some(last) = self.last() else { return Vec::new() };
        let day = |moment: Moment| moment.milliseconds() / MILLISECONDS;
        let days = day(self.from)..=day(last);
        // The first day of all begins at 0, which is no moment.
        let moment = |day: u64| Moment::from_milliseconds((day * MILLISECONDS).max(1));
        days.filter_map(moment).map(day_of).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moment(milliseconds: u64) -> Moment {
        Moment::from_milliseconds(milliseconds).unwrap()
    }

    #[test]
    fn a_span_ends_before_its_end() {
        let day = begin_of("2026-02-28").unwrap();
        let next = begin_of("2026-03-01").unwrap();
        assert_eq!(Span { from: day, to: next }.days(), ["2026-02-28"]);
        let later = moment(next.milliseconds() + 1);
        assert_eq!(Span { from: day, to: later }.days(), ["2026-02-28", "2026-03-01"]);
        assert!(Span { from: day, to: day }.days().is_empty());
        assert_eq!(begin_of("2026-02-30"), None);
    }

    proptest! {
        #[test]
        fn a_moment_is_in_its_day_and_hour(milliseconds in 1_u64..9_999_999_999_999) {
            let at = moment(milliseconds);
            let day = day_of(at);
            let begin = begin_of(&day).map_or(0, Moment::milliseconds);
            let hour = begin + u64::from(hour_of(at)) * 3_600_000;
            prop_assert!((hour..hour + 3_600_000).contains(&milliseconds), "{} {}", day, hour);
        }
    }
}
