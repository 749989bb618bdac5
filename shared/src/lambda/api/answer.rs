//! An answer to an HTTP request. Failures are problems as in RFC 9457.

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_http::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use lambda_http::http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

/// Seconds until a request that met a broken DynamoDB is worth another try.
pub const RETRY_SECONDS: &str = "2";

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// With the type of its content.
    pub body: Option<(&'static str, String)>,
    pub headers: Vec<(HeaderName, String)>,
    /// Who may keep the answer, as in `Cache-Control`.
    pub cache: &'static str,
}

impl Answer {
    /// An answer that must not be kept: it tells about people, and changes with the next event.
    pub fn new(status: u16, body: Option<(&'static str, String)>) -> Self {
        Self { status, body, headers: Vec::new(), cache: "no-store" }
    }

    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A failure.
#[derive(Serialize)]
pub struct Problem {
    pub title: &'static str,
    pub status: u16,
    /// The stable word for programs.
    pub code: &'static str,
    /// The field of the body or the path that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
    /// The parameter that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<&'static str>,
    pub detail: String,
}

impl Problem {
    pub fn new(status: u16, code: &'static str, detail: String) -> Self {
        let title = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        Self { title: title.unwrap_or_default(), status, code, field: None, parameter: None, detail }
    }

    pub fn body(&self) -> (&'static str, String) {
        ("application/problem+json", to_json(self))
    }
}

pub fn json_body(body: &impl Serialize) -> (&'static str, String) {
    ("application/json", to_json(body))
}

fn to_json(body: &impl Serialize) -> String {
    // Every name is text, so this cannot fail.
    serde_json::to_string(body).unwrap_or_default()
}

impl From<Answer> for ApiGatewayV2httpResponse {
    fn from(answer: Answer) -> Self {
        let mut response = Self::default();
        response.status_code = answer.status.into();
        response.headers.insert(CACHE_CONTROL, HeaderValue::from_static(answer.cache));
        for (name, value) in answer.headers {
            // Values are made here, in ASCII, so this leaves out none of them.
            response.headers.extend(HeaderValue::from_str(&value).ok().map(|value| (name, value)));
        }
        let text = answer.body.map(|(kind, text)| {
            response.headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            text
        });
        response.body = Some(text.unwrap_or_default().into());
        response
    }
}
