//! A request to an HTTP API: an event of API Gateway or of a function URL.
//!
//! Both have checked who asks before the function runs, and say so in `requestContext.authorizer`. The
//! function trusts nothing else.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Marks events of function URLs, which leave a path percent-encoded. API Gateway decodes it.
const FUNCTION_URL: &str = "$default";

/// What a function reads of an event (payload format 2.0). Reading never fails: an event that is not a
/// request has no path, and an unknown path is a 404.
#[derive(Default)]
pub struct ApiEvent {
    fields: EventFields,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct EventFields {
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    headers: Value,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
    request_context: Context,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Context {
    route_key: Option<String>,
    http: Http,
    authorizer: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Http {
    method: Option<String>,
}

impl<'de> Deserialize<'de> for ApiEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self { fields: serde_json::from_str(event.get()).unwrap_or_default() })
    }
}

impl fmt::Debug for ApiEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiEvent(..)")
    }
}

/// Why a body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnreadableBody {
    TooLong,
    NotText,
}

impl ApiEvent {
    pub fn method(&self) -> &str {
        self.fields.request_context.http.method.as_deref().unwrap_or_default()
    }

    /// The segments of the path from the first one that is a root. A stage or a base path may come before
    /// it. What looks like an address *inside* an id is not taken for one: API Gateway decodes `%2F`, and has
    /// checked a policy against the path as a whole.
    pub fn path(&self, roots: &[&str]) -> Vec<&str> {
        let path = self.fields.raw_path.as_deref().unwrap_or_default();
        path.split('/').skip_while(|segment| !roots.contains(segment)).collect()
    }

    /// An id in the path, decoded where the sender has not done it.
    pub fn id<T>(&self, segment: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let is_encoded = self.fields.request_context.route_key.as_deref() == Some(FUNCTION_URL);
        let text =
            if is_encoded { percent_decode_str(segment).decode_utf8().ok()? } else { Cow::Borrowed(segment) };
        parse(&text)
    }

    /// The query as it was sent.
    pub fn query(&self) -> &str {
        self.fields.raw_query_string.as_deref().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = self.fields.headers.as_object()?;
        let (_, value) = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        value.as_str()
    }

    /// The body, at most so many bytes of text.
    ///
    /// # Errors
    /// That it is longer or no text.
    pub fn body(&self, longest: usize) -> Result<Cow<'_, str>, UnreadableBody> {
        let text = self.fields.body.as_deref().unwrap_or_default();
        if !self.fields.is_base64_encoded.unwrap_or_default() {
            return if text.len() > longest { Err(UnreadableBody::TooLong) } else { Ok(text.into()) };
        }
        if text.len() > longest.div_ceil(3) * 4 {
            return Err(UnreadableBody::TooLong);
        }
        let bytes = STANDARD.decode(text).map_err(|_| UnreadableBody::NotText)?;
        String::from_utf8(bytes).map(Cow::Owned).map_err(|_| UnreadableBody::NotText)
    }
}

/// Who asks.
pub enum Caller<'a> {
    Unknown,
    /// AWS has checked a signature, and the policies behind it.
    AppServer,
    /// The gateway has checked a token. These are its claims.
    App(&'a Map<String, Value>),
}

impl<'a> Caller<'a> {
    pub fn of(event: &'a ApiEvent) -> Self {
        let authorizer = &event.fields.request_context.authorizer;
        let object = |value: &'a Value| value.as_object().filter(|members| !members.is_empty());
        let iam = authorizer.get("iam").and_then(object);
        let claims = authorizer.get("jwt").and_then(|jwt| jwt.get("claims")).and_then(object);
        match (iam, claims) {
            (Some(_), _) => Self::AppServer,
            (None, Some(claims)) => Self::App(claims),
            (None, None) => Self::Unknown,
        }
    }
}
