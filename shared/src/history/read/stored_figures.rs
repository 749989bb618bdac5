//! Figures as their items hold them.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use crate::history::figures::{Figures, Period};
use crate::history::read::query::{Item, read_number};

/// Parts that the hours of one service's day are spread over.
pub(super) const PARTS: u32 = 4;

/// A service, as the list of services names it: its key is the beginning of the keys of its figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceKey {
    key: String,
    provider: String,
    service: String,
}

impl ServiceKey {
    pub(super) fn parse(key: &str) -> Option<Self> {
        let decoded = |text: &str| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
        let (provider, service) = key.split_once('#')?;
        Some(Self { key: key.to_owned(), provider: decoded(provider)?, service: decoded(service)? })
    }

    /// The vendor and the service id.
    pub(super) fn into_names(self) -> (String, String) {
        (self.provider, self.service)
    }

    /// The partition of a part of a day's hours.
    pub(super) fn hours(&self, day: &str, part: u32) -> String {
        format!("{}#{day}#{part}", self.key)
    }

    /// The partition of a year's days.
    pub(super) fn days(&self, year: &str) -> String {
        format!("{}#{year}", self.key)
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
