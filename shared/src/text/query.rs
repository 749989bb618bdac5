//! A raw query string, split and percent-decoded without loss.
//!
//! This is deliberately not a form decoder. `+` stays `+`: LINE's `param` is base64, and one
//! changed byte means no ring. Invalid escapes (`%zz`) stay as they are, and a value that is not
//! UTF-8 is kept in its encoded form.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;

use crate::text::bounds;
use crate::text::refusal::{Bound, Refusal};

/// One parameter's value.
#[derive(Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    /// Not UTF-8 when decoded: kept as sent.
    Undecodable(String),
}

/// The parameters of a query, in order. `Debug` prints only their number.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, Value)>);

impl fmt::Debug for Parameters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Parameters({})", self.0.len())
    }
}

impl Parameters {
    /// Splits and decodes a raw query string.
    ///
    /// # Errors
    /// [`Refusal::TooLong`] if a bound of [`bounds`] is exceeded.
    pub fn parse(raw: &str) -> Result<Self, Refusal> {
        if raw.len() > bounds::QUERY_BYTES {
            return Err(Refusal::TooLong(Bound::Query));
        }
        let mut parameters = Vec::new();
        for piece in raw.split('&').filter(|piece| !piece.is_empty()) {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            let name = decode(name).unwrap_or_else(Cow::Borrowed).into_owned();
            let value = match decode(value) {
                Ok(text) => Value::Text(text.into_owned()),
                Err(undecodable) => Value::Undecodable(undecodable.to_owned()),
            };
            if parameters.len() == bounds::PARAMETERS {
                return Err(Refusal::TooLong(Bound::Parameters));
            }
            if name.len() > bounds::NAME_BYTES {
                return Err(Refusal::TooLong(Bound::Name));
            }
            let (Value::Text(text) | Value::Undecodable(text)) = &value;
            if text.len() > bounds::VALUE_BYTES {
                return Err(Refusal::TooLong(Bound::Value));
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// The first value of that name that is not empty: both vendors treat absent and empty alike.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values(|candidate| candidate == name).flatten().find(|text| !text.is_empty())
    }

    /// Every value whose name `wanted` picks; `None` for one that is not UTF-8.
    pub fn values(&self, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = Option<&str>> {
        self.0.iter().filter(move |(name, _)| wanted(name)).map(|(_, value)| match value {
            Value::Text(text) => Some(text.as_str()),
            Value::Undecodable(_) => None,
        })
    }

    /// All names and values as text, for the record. An undecodable value stays as sent.
    pub fn verbatim(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| {
            let (Value::Text(text) | Value::Undecodable(text)) = value;
            (name.as_str(), text.as_str())
        })
    }
}

fn decode(encoded: &str) -> Result<Cow<'_, str>, &str> {
    percent_decode_str(encoded).decode_utf8().map_err(|_| encoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(raw: &str, name: &str) -> Option<String> {
        Parameters::parse(raw).unwrap().text(name).map(str::to_owned)
    }

    #[test]
    fn a_plus_sign_is_never_a_space() {
        assert_eq!(text("param=a+b%2Bc", "param").as_deref(), Some("a+b+c"));
    }

    #[test]
    fn an_equals_sign_inside_a_value_belongs_to_the_value() {
        assert_eq!(text("param=YQ==&sid=1", "param").as_deref(), Some("YQ=="));
    }

    #[test]
    fn an_invalid_escape_stays_as_sent() {
        assert_eq!(text("stid=50%zz%2", "stid").as_deref(), Some("50%zz%2"));
    }

    #[test]
    fn a_value_that_is_not_utf8_is_unusable_but_kept_as_sent() {
        let parameters = Parameters::parse("stid=%ff%41").unwrap();
        assert_eq!(parameters.text("stid"), None);
        assert_eq!(parameters.verbatim().collect::<Vec<_>>(), [("stid", "%ff%41")]);
    }

    #[test]
    fn an_empty_repeat_does_not_hide_the_value() {
        assert_eq!(text("duration=&duration=30", "duration").as_deref(), Some("30"));
    }

    #[test]
    fn each_bound_is_accepted_and_one_past_it_is_refused() {
        let refused = |raw: String| Parameters::parse(&raw).err();
        let value = |bytes| format!("a={}", "x".repeat(bytes));
        assert_eq!(refused(value(bounds::VALUE_BYTES)), None);
        assert_eq!(refused(value(bounds::VALUE_BYTES + 1)), Some(Refusal::TooLong(Bound::Value)));
        assert_eq!(refused(format!("{}=1", "x".repeat(bounds::NAME_BYTES))), None);
        assert_eq!(
            refused(format!("{}=1", "x".repeat(bounds::NAME_BYTES + 1))),
            Some(Refusal::TooLong(Bound::Name))
        );
        assert_eq!(refused(vec!["a=1"; bounds::PARAMETERS].join("&")), None);
        assert_eq!(
            refused(vec!["a=1"; bounds::PARAMETERS + 1].join("&")),
            Some(Refusal::TooLong(Bound::Parameters))
        );
        let longest =
            format!("a={}&b={}", "x".repeat(bounds::VALUE_BYTES), "y".repeat(bounds::VALUE_BYTES - 5));
        assert_eq!(longest.len(), bounds::QUERY_BYTES);
        assert_eq!(refused(longest.clone()), None);
        assert_eq!(refused(longest + "z"), Some(Refusal::TooLong(Bound::Query)));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic_and_every_piece_is_kept(raw in "\\PC{0,400}") {
            let pieces = raw.split('&').filter(|piece| !piece.is_empty()).count();
            if let Ok(parameters) = Parameters::parse(&raw) {
                prop_assert_eq!(parameters.verbatim().count(), pieces);
            }
        }

        #[test]
        fn what_was_encoded_comes_back(name in "[a-z_]{1,20}", value in "\\PC{1,60}") {
            let encoded = percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC);
            prop_assert_eq!(text(&format!("{name}={encoded}"), &name), Some(value));
        }
    }
}
