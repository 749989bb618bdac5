//! What a page is asked for. A form sends every field, so an empty one counts as not sent.

use maud::{Markup, html};
use ringback::call::model::{Arrival, Kind, Media, Moment, Outcome};
use ringback::history::read::days::MILLISECONDS as DAY_MILLISECONDS;
use ringback::history::read::{Cursor, Filter, Page, Span};
use ringback::lambda::history::parameters::{LONGEST_DAYS, PAGE, id, moment};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::problem::Problem;
use super::{people, words};

/// The fields of the filter, as they were sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) outcome: String,
    pub(super) kind: String,
    pub(super) media: String,
    pub(super) service: String,
    pub(super) missed: String,
    pub(super) cursor: String,
}

fn given(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

fn read<T>(name: &'static str, text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Problem> {
    let Some(text) = given(text) else { return Ok(None) };
    parse(text).map(Some).ok_or(Problem::Unusable(name))
}

fn word<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(Value::from(text)).ok()
}

/// A time in any form that the HTTP API takes, or as a browser's field for times sends it.
fn time(text: &str) -> Option<Moment> {
    moment(text).or_else(|| moment(&format!("{text}:00Z"))).or_else(|| moment(&format!("{text}Z")))
}

impl Asked {
    /// The last 24 hours, if the form does not say otherwise.
    pub(super) fn span(&self, now: Arrival) -> Result<Span, Problem> {
        let moment = |at: u64| Moment::from_milliseconds(at.max(1)).unwrap_or(Moment::LATEST);
        let to = read("to", &self.to, time)?.unwrap_or(moment(now.milliseconds + 1));
        let from = read("from", &self.from, time)?;
        let from = from.unwrap_or(moment(to.milliseconds().saturating_sub(DAY_MILLISECONDS)));
        match to.milliseconds().checked_sub(from.milliseconds()) {
            None => Err(Problem::Unusable("from")),
            Some(length) if length > LONGEST_DAYS * DAY_MILLISECONDS => Err(Problem::TooManyDays),
            Some(_) => Ok(Span { from, to }),
        }
    }

    pub(super) fn filter(&self) -> Result<Filter, Problem> {
        Ok(Filter {
            provider: None,
            service: read("service", &self.service, id)?,
            outcome: read("outcome", &self.outcome, word)?,
            kind: read("kind", &self.kind, word)?,
            media: read("media", &self.media, word)?,
        })
    }

    pub(super) fn page(&self) -> Result<Page, Problem> {
        Ok(Page { limit: PAGE, after: read("cursor", &self.cursor, Cursor::parse)? })
    }

    pub(super) fn missed(&self) -> bool {
        given(&self.missed) == Some("true")
    }

    /// An address with the same filter.
    pub(super) fn address(&self, path: &str, next: Option<&Cursor>) -> String {
        let fields = [
            ("from", self.from.as_str()),
            ("to", &self.to),
            ("outcome", &self.outcome),
            ("kind", &self.kind),
            ("media", &self.media),
            ("service", &self.service),
            ("missed", &self.missed),
        ];
        let mut query: Vec<String> = fields
            .into_iter()
            .filter_map(|(name, text)| Some(format!("{name}={}", people::part(given(text)?))))
            .collect();
        query.extend(next.map(|next| format!("cursor={}", next.opaque())));
        if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
    }

    /// The filter of the list of calls.
    pub(super) fn form(&self) -> Markup {
        let outcomes = [
            Outcome::Answered,
            Outcome::AnsweredElsewhere,
            Outcome::Missed,
            Outcome::Rejected,
            Outcome::Canceled,
            Outcome::Busy,
            Outcome::Failed,
            Outcome::Unknown,
        ]
        .map(|outcome| (outcome.as_str(), words::outcome_words(outcome)));
        let kinds = [("one-to-one", words::kind(Kind::OneToOne)), ("group", words::kind(Kind::Group))];
        let medias =
            [Media::Audio, Media::Video].map(|media| (words::media(Some(media)), words::media(Some(media))));
        html! {
            form.filter action="/calls" {
                (field("from", "From", html! {
                    input #from name="from" type="datetime-local"
                        value=(given(&self.from).unwrap_or_default());
                }))
                (field("to", "To", html! {
                    input #to name="to" type="datetime-local" value=(given(&self.to).unwrap_or_default());
                }))
                (field("outcome", "Outcome", select("outcome", &self.outcome, &outcomes)))
                (field("kind", "Kind", select("kind", &self.kind, &kinds)))
                (field("media", "Media", select("media", &self.media, &medias)))
                (field("service", "Service", html! {
                    input #service name="service" value=(self.service) maxlength="256" spellcheck="false"
                        autocomplete="off";
                }))
                div.buttons {
                    button type="submit" { "Filter" }
                    a href="/calls" { "Clear" }
                }
            }
        }
    }
}

fn field(id: &str, name: &str, control: Markup) -> Markup {
    html! { div.field { label for=(id) { (name) } (control) } }
}

fn select(name: &str, chosen: &str, options: &[(&str, &str)]) -> Markup {
    html! {
        select id=(name) name=(name) {
            option value="" { "Any" }
            @for (value, words) in options {
                option value=(value) selected[*value == chosen.trim()] { (words) }
            }
        }
    }
}
