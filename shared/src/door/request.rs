//! A request before it is let in.

use std::fmt;
use std::net::IpAddr;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::text::query::Parameters;

/// A request of which nothing is known yet. It can be given to a [`Gate`](super::access::Gate), and
/// nothing else can be done with it.
pub struct Unverified {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: Headers,
    pub(super) body: String,
    pub(super) source: Option<IpAddr>,
}

impl Unverified {
    /// Takes a request in as it arrived: the path and the query raw, the body as text.
    pub fn new(method: String, path: String, query: String, body: String) -> Self {
        Self { method, path, query, headers: Headers::default(), body, source: None }
    }

    /// Adds the source address that the gateway saw.
    #[must_use]
    pub fn with_source(self, source: Option<IpAddr>) -> Self {
        Self { source, ..self }
    }

    #[must_use]
    pub fn with_headers(self, headers: Headers) -> Self {
        Self { headers, ..self }
    }
}

impl fmt::Debug for Unverified {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Unverified(..)")
    }
}

/// The header fields, as in the gateway's event. They are parsed only if a vendor needs one.
#[derive(Default)]
pub struct Headers(Option<Box<RawValue>>);

impl Headers {
    pub fn new(object: Option<Box<RawValue>>) -> Self {
        Self(object)
    }

    fn get(&self, name: &str) -> Option<String> {
        let fields: Map<String, Value> = serde_json::from_str(self.0.as_ref()?.get()).ok()?;
        let (_, value) = fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name))?;
        value.as_str().map(str::to_owned)
    }
}

/// What a vendor's checks see of a request with the right URL.
pub struct Request {
    pub(super) parameters: Parameters,
    pub(super) headers: Headers,
    pub(super) body: String,
}

impl Request {
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// A header field, by its name in any case.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name)
    }

    /// The body as text; empty if there is none.
    pub fn body(&self) -> &str {
        &self.body
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Request({:?}, {} bytes)", self.parameters, self.body.len())
    }
}
