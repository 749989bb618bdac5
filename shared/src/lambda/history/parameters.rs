//! The parameters of a request for calls, each read into its type.

use serde::de::DeserializeOwned;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::call::model::{Arrival, Moment};
use crate::history::read::days::MILLISECONDS as DAY_MILLISECONDS;
use crate::history::read::{By, Cursor, Filter, LARGEST_PAGE, Page, Span};
use crate::lambda::history::request::Refused;
use crate::line::LINE;
use crate::ring::device::ID_BYTES;
use crate::tencent::TENCENT;
use crate::text::query::Parameters;

/// Days of calls or figures that one request can ask for.
pub const LONGEST_DAYS: u64 = 31;
/// Rows of a page, if the request does not say.
pub const PAGE: u32 = 50;

/// The vendors by their words in parameters.
static PROVIDERS: [&str; 2] = [LINE.name, TENCENT.name];

/// The parameters of a request. Each is read by its name; a value that is not usable refuses the request.
#[derive(Debug)]
pub struct Asking {
    parameters: Parameters,
}

impl Asking {
    /// Reads a query that has none but these parameters, each at most once.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(query: &str, known: &[&'static str]) -> Result<Self, Refused> {
        let parameters = Parameters::parse(query).map_err(|_| Refused::QueryTooLong)?;
        if parameters.verbatim().any(|(name, _)| !known.contains(&name)) {
            return Err(Refused::UnknownParameter);
        }
        let twice = known.iter().find(|name| parameters.values(|sent| sent == **name).count() > 1);
        twice.map_or(Ok(Self { parameters }), |name| Err(Refused::UnusableParameter(name)))
    }

    fn read<T>(&self, name: &'static str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Refused> {
        let Some(text) = self.parameters.values(|sent| sent == name).next() else { return Ok(None) };
        text.and_then(parse).map(Some).ok_or(Refused::UnusableParameter(name))
    }

    /// # Errors
    /// A limit that is not 1 to [`LARGEST_PAGE`], or a text that is not a cursor.
    pub fn page(&self) -> Result<Page, Refused> {
        let limit = |text: &str| text.parse().ok().filter(|limit| (1..=LARGEST_PAGE).contains(limit));
        Ok(Page { limit: self.read("limit", limit)?.unwrap_or(PAGE), after: self.cursor()? })
    }

    /// # Errors
    /// A text that is not a cursor.
    pub fn cursor(&self) -> Result<Option<Cursor>, Refused> {
        self.read("cursor", Cursor::parse)
    }

    /// # Errors
    /// A value that is not `true` or `false`.
    pub fn missed(&self) -> Result<bool, Refused> {
        Ok(self.read("missed", |text| text.parse().ok())?.unwrap_or(false))
    }

    /// The last 24 hours, if the request does not say otherwise.
    ///
    /// # Errors
    /// No time, `from` after `to`, or more than [`LONGEST_DAYS`].
    pub fn span(&self, now: Arrival) -> Result<Span, Refused> {
        let unusable = Refused::UnusableParameter;
        let now = Moment::from_milliseconds(now.milliseconds).unwrap_or(Moment::LATEST);
        let to = self.read("to", moment)?.unwrap_or(now);
        let day_before = to.milliseconds().saturating_sub(DAY_MILLISECONDS).max(1);
        let day_before = Moment::from_milliseconds(day_before).unwrap_or(to);
        let from = self.read("from", moment)?.unwrap_or(day_before);
        let length = to.milliseconds().checked_sub(from.milliseconds()).ok_or(unusable("from"))?;
        if length > LONGEST_DAYS * DAY_MILLISECONDS {
            return Err(Refused::TooManyDays);
        }
        Ok(Span { from, to })
    }

    /// # Errors
    /// A word that names nothing.
    pub fn filter(&self) -> Result<Filter, Refused> {
        Ok(Filter {
            provider: None,
            service: self.read("service", id)?,
            outcome: self.read("outcome", word)?,
            kind: self.read("kind", word)?,
            media: self.read("media", word)?,
        })
    }

    /// Hours or days.
    ///
    /// # Errors
    /// Another word.
    pub fn by(&self) -> Result<By, Refused> {
        let by = |text: &str| match text {
            "hour" => Some(By::Hour),
            "day" => Some(By::Day),
            _ => None,
        };
        Ok(self.read("by", by)?.unwrap_or(By::Day))
    }

    /// The vendor that a service id belongs to. Tencent's SDKAppIDs are digits, and no service id of LINE is.
    ///
    /// # Errors
    /// A word that names no vendor.
    pub fn provider(&self, service: &str) -> Result<&'static str, Refused> {
        let by_name = |text: &str| PROVIDERS.into_iter().find(|name| *name == text);
        let [line, tencent] = PROVIDERS;
        let is_number = service.bytes().all(|byte| byte.is_ascii_digit());
        Ok(self.read("provider", by_name)?.unwrap_or(if is_number { tencent } else { line }))
    }
}

/// A time as RFC 3339 or in milliseconds since 1970.
pub fn moment(text: &str) -> Option<Moment> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Moment::from_milliseconds(text.parse().ok()?);
    }
    let nanoseconds = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
    Moment::from_milliseconds(u64::try_from(nanoseconds / 1_000_000).ok()?)
}

/// A word of the records: an outcome, a kind, a medium.
fn word<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(Value::from(text)).ok()
}

/// An id of a service or a room.
pub fn id(text: &str) -> Option<String> {
    let usable = !text.trim().is_empty() && text.len() <= ID_BYTES && !text.chars().any(char::is_control);
    usable.then(|| text.to_owned())
}
