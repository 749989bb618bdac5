//! Lossless JSON: numbers keep their digits, repeated members stay repeated, invalid strings stay
//! readable.
//!
//! Tencent prints user ids as bare numbers beyond 2^53; a number type would round them.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use crate::text::bounds;
use crate::text::refusal::{Bound, Refusal};

/// A JSON value. `Debug` names the type without the content.
#[derive(Clone, PartialEq, Eq)]
pub enum Json {
    Null,
    Bool(bool),
    /// A number, in the digits it was sent in.
    Number(String),
    Text(String),
    /// A string with half a surrogate pair, which is not valid text: its escapes as sent.
    Undecodable(String),
    List(Vec<Json>),
    /// An object's members in order, repeats included.
    Object(Vec<(String, Json)>),
}

impl fmt::Debug for Json {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Null => "Null",
            Self::Bool(_) => "Bool(..)",
            Self::Number(_) => "Number(..)",
            Self::Text(_) => "Text(..)",
            Self::Undecodable(_) => "Undecodable(..)",
            Self::List(_) => "List(..)",
            Self::Object(_) => "Object(..)",
        })
    }
}

impl Json {
    /// Reads a body.
    ///
    /// # Errors
    /// [`Refusal::NotJson`], or [`Refusal::TooLong`] past [`bounds::BODY_BYTES`] or [`bounds::JSON_DEPTH`].
    pub fn parse(body: &str) -> Result<Self, Refusal> {
        if body.len() > bounds::BODY_BYTES {
            return Err(Refusal::TooLong(Bound::Body));
        }
        let body = without_byte_order_mark(body);
        if deeper_than(body, bounds::JSON_DEPTH) {
            return Err(Refusal::TooLong(Bound::JsonDepth));
        }
        Self::read(body).ok_or(Refusal::NotJson)
    }

    /// Reads any JSON, to the 127 levels that serde_json reads.
    pub fn read(text: &str) -> Option<Self> {
        let raw: &RawValue = serde_json::from_str(text).ok()?;
        from_raw(raw).ok()
    }

    /// The first member of an object with that name, in any case, that is neither `null` nor empty.
    pub fn member(&self, name: &str) -> Option<&Json> {
        self.members_named(name).next()
    }

    /// All members with that name, in any case, that are neither `null` nor empty.
    pub fn members_named(&self, name: &str) -> impl Iterator<Item = &Json> {
        let named = move |(candidate, _): &&(String, Json)| candidate.eq_ignore_ascii_case(name);
        self.members().iter().filter(named).map(|(_, value)| value).filter(|value| !value.says_nothing())
    }

    /// The members of an object; empty for anything else.
    pub fn members(&self) -> &[(String, Json)] {
        if let Self::Object(members) = self { members } else { &[] }
    }

    /// The items of a list; empty for anything else.
    pub fn items(&self) -> &[Json] {
        if let Self::List(items) = self { items } else { &[] }
    }

    /// A string or a number as text: Tencent sends ids as either.
    pub fn scalar(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text),
            _ => None,
        }
    }

    fn says_nothing(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            _ => false,
        }
    }
}

/// A body without a byte order mark, which some encoders put before UTF-8 and JSON does not allow.
pub fn without_byte_order_mark(body: &str) -> &str {
    body.strip_prefix('\u{feff}').unwrap_or(body)
}

fn deeper_than(body: &str, bound: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in body.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > bound {
            return true;
        }
    }
    false
}

fn from_raw(raw: &RawValue) -> Result<Json, serde_json::Error> {
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let Members(members) = serde_json::from_str(text)?;
            let read = members.into_iter().map(|(name, value)| Ok((name, from_raw(value)?)));
            Json::Object(read.collect::<Result<_, serde_json::Error>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            Json::List(items.into_iter().map(from_raw).collect::<Result<_, _>>()?)
        }
        Some(b'"') => match serde_json::from_str(text) {
            Ok(text) => Json::Text(text),
            Err(_) => Json::Undecodable(inside_quotes(text).to_owned()),
        },
        Some(b't') => Json::Bool(true),
        Some(b'f') => Json::Bool(false),
        Some(b'n') => Json::Null,
        _ => Json::Number(text.to_owned()),
    })
}

fn inside_quotes(text: &str) -> &str {
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}

struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Collect).map(Self)
    }
}

/// A member's name. It is read as bytes, because serde_json refuses a lone surrogate in text.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lossy;
        impl Visitor<'_> for Lossy {
            type Value = String;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a member's name")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
                Ok(text.to_owned())
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<String, E> {
                Ok(String::from_utf8_lossy(bytes).into_owned())
            }
        }
        deserializer.deserialize_bytes(Lossy).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_keeps_every_digit() {
        let body =
            Json::parse(r#"{"User_Account": 144115212345678901234567890, "price": 1.50e400}"#).unwrap();
        assert_eq!(body.member("User_Account").unwrap().scalar(), Some("144115212345678901234567890"));
        assert_eq!(body.member("price").unwrap().scalar(), Some("1.50e400"));
    }

    #[test]
    fn repeated_members_are_all_kept_and_the_first_that_says_something_counts() {
        let body = Json::parse(r#"{"CallId":"","CallId":"a","CallId":"b"}"#).unwrap();
        assert_eq!(body.members().len(), 3);
        assert_eq!(body.member("CallId").unwrap().scalar(), Some("a"));
    }

    #[test]
    fn a_lone_surrogate_costs_nothing_but_its_own_text() {
        let body = Json::parse(r#"{"UserId":"\ud800x","\udc00":1,"CallId":"c"}"#).unwrap();
        assert_eq!(body.member("UserId"), Some(&Json::Undecodable(r"\ud800x".into())));
        assert_eq!(body.member("CallId").unwrap().scalar(), Some("c"));
        assert_eq!(body.members().len(), 3);
    }

    #[test]
    fn depth_is_accepted_up_to_the_bound_and_brackets_in_strings_do_not_count() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::parse(&nested(bounds::JSON_DEPTH)).is_ok());
        assert_eq!(Json::parse(&nested(bounds::JSON_DEPTH + 1)), Err(Refusal::TooLong(Bound::JsonDepth)));
        assert!(Json::parse(&format!(r#"{{"a\"{}":1}}"#, "[".repeat(40))).is_ok());
    }

    #[test]
    fn a_body_is_accepted_up_to_the_bound() {
        let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        assert!(Json::parse(&text(bounds::BODY_BYTES)).is_ok());
        assert_eq!(Json::parse(&text(bounds::BODY_BYTES + 1)), Err(Refusal::TooLong(Bound::Body)));
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_json() {
        assert_eq!(Json::parse("\u{feff}{\"CallId\":\"c\"}"), Json::parse(r#"{"CallId":"c"}"#));
        assert_eq!(Json::parse("\u{feff}\u{feff}{}"), Err(Refusal::NotJson));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(body in "\\PC{0,200}") {
            let _ = Json::parse(&body);
        }

        #[test]
        fn text_near_json_is_read_or_refused_without_panic(body in r#"[\[\]{}":,\\0-9a-fux.eE+-]{0,120}"#) {
            let _ = Json::parse(&body);
        }

        #[test]
        fn integers_of_any_size_keep_their_digits(digits in "[1-9][0-9]{0,60}") {
            prop_assert_eq!(Json::parse(&digits).unwrap().scalar().map(str::to_owned), Some(digits));
        }
    }
}
