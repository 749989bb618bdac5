//! What is counted of calls. Figures name no person.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::call::model::{Outcome, ReleaseCode};
use crate::history::call::StoredCall;
use crate::history::read::{Cursor, Rows, days, fitting};
use crate::history::row::CallRow;
use crate::history::rows::list_row;

/// A release code that is a word is as long as this at most.
const CODE_BYTES: usize = 24;

/// Counters of an hour or a day of one service. A change adds `of(new) - of(old)`, so they are signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    pub calls: i64,
    pub talk_s: i64,
    /// By [`Outcome::as_str`]; a call that has not ended is `open`.
    pub outcomes: BTreeMap<String, i64>,
    /// By `<family>:<code>`, as `disconnect_reason:1203`.
    pub reasons: BTreeMap<String, i64>,
}

/// Whose figures, and of when.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    pub provider: String,
    pub service: String,
    /// In UTC, as `yyyy-mm-dd`.
    pub day: String,
    /// Of the day, 0 to 23; `None` for the whole day.
    pub hour: Option<u8>,
}

impl Figures {
    /// What one call counts, and in which hour.
    pub fn of(call: &StoredCall) -> Option<(Period, Self)> {
        Some(Self::of_row(&list_row(call)?))
    }

    /// The same of the row that the call has in lists.
    pub fn of_row(call: &CallRow) -> (Period, Self) {
        let at = call.at;
        let hour = Some(days::hour_of(at));
        let period = Period {
            provider: call.provider.clone(),
            service: call.service().to_owned(),
            day: days::day_of(at),
            hour,
        };
        let outcome = call.outcome.map_or("open", Outcome::as_str).to_owned();
        let reasons = call.reason.iter().filter_map(|(family, code)| {
            counted_code(family, code).map(|code| (format!("{family}:{code}"), 1))
        });
        let talk_s = call.talk_s.unwrap_or(0).min(crate::text::bounds::COUNTED_TALK_SECONDS);
        let figures = Self {
            calls: 1,
            talk_s: talk_s.try_into().unwrap_or(i64::MAX),
            outcomes: BTreeMap::from([(outcome, 1)]),
            reasons: reasons.collect(),
        };
        (period, figures)
    }

    /// Adds so many times another's counters.
    pub fn add(&mut self, other: &Self, times: i64) {
        self.calls += other.calls * times;
        self.talk_s += other.talk_s * times;
        for (sums, others) in [(&mut self.outcomes, &other.outcomes), (&mut self.reasons, &other.reasons)] {
            for (word, count) in others {
                *sums.entry(word.clone()).or_default() += count * times;
            }
        }
    }

    /// Every counter that is not 0, by the name of its attribute.
    pub fn counters(&self) -> BTreeMap<String, i64> {
        let named = |family: &str, counts: &BTreeMap<String, i64>| -> Vec<(String, i64)> {
            counts.iter().map(|(word, count)| (format!("{family}:{word}"), *count)).collect()
        };
        let sums = [("calls".to_owned(), self.calls), ("talk_s".to_owned(), self.talk_s)];
        let all = sums.into_iter().chain(named("outcome", &self.outcomes));
        all.chain(named("reason", &self.reasons)).filter(|(_, count)| *count != 0).collect()
    }
}

/// The figures after the cursor, as many as fit into one answer. `bytes`: how much of it they take.
pub fn page(
    mut figures: Vec<(Period, Figures)>,
    after: Option<&Cursor>,
    bytes: impl Fn(&(Period, Figures)) -> usize,
) -> Rows<(Period, Figures)> {
    let cursor = |(period, _): &(Period, Figures)| Cursor::of_period(period);
    figures.sort_by_cached_key(|each| cursor(each).map(|cursor| cursor.key().to_owned()));
    let is_later = |each: &(Period, Figures)| {
        after.is_none_or(|after| cursor(each).is_some_and(|own| own.key() > after.key()))
    };
    fitting(figures.into_iter().filter(is_later), cursor, bytes)
}

/// A release code that is counted. `None` of what an app or a server wrote, which may name somebody.
pub(super) fn counted_code(family: &str, code: &ReleaseCode) -> Option<String> {
    if matches!(family, "user_rel_code" | "releaser" | "rel_code_str") {
        return None;
    }
    match code {
        ReleaseCode::Number(number) => Some(number.to_string()),
        // A word is the app's own or a host's name: only short words are codes.
        ReleaseCode::Word(word) => {
            let word = word.reveal();
            let is_code = word.len() <= CODE_BYTES
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            is_code.then(|| word.to_owned())
        }
    }
}
