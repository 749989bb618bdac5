//! What differs between vendors at the gate and in the answer. Each vendor's folder has one
//! [`Vendor`].

use std::fmt;

use crate::call::model::Arrival;
use crate::door::request::Request;

/// One vendor of calls.
#[derive(Debug)]
pub struct Vendor {
    /// The name in records, logs and metrics.
    pub name: &'static str,
    /// The variable with the ids of the accepted services or apps.
    pub ids_variable: Variable,
    /// The variable with the address ranges that the vendor calls from.
    pub sources_variable: &'static str,
    /// The ids of services or apps in a request; `None` for one that is not text.
    pub ids: fn(&Request) -> Vec<Option<String>>,
    /// Whether a request without such an id is accepted.
    pub may_name_none: fn(&Request) -> bool,
    /// How the vendor signs, if it does.
    pub signature: Option<SignatureScheme>,
    /// The body of an answer.
    pub body: fn(&Verdict) -> String,
}

/// The ids under the query's names that `names_one` picks, but for empty ones.
pub fn ids_in_query(request: &Request, names_one: fn(&str) -> bool) -> Vec<Option<String>> {
    let sent = request.parameters().values(names_one).filter(|id| *id != Some(""));
    sent.map(|id| id.map(str::to_owned)).collect()
}

/// An environment variable and what it must hold.
#[derive(Debug)]
pub struct Variable {
    pub name: &'static str,
    pub expected: &'static str,
}

/// How a vendor signs its requests.
#[derive(Debug)]
pub struct SignatureScheme {
    /// The variable with the key. Where it is not set, signatures are not verified.
    pub variable: Variable,
    /// Makes a verifier from the key. `None` if the text cannot be one.
    pub verifier: fn(&str) -> Option<Box<dyn Verify>>,
}

/// Verifies a vendor's signatures with the team's key.
pub trait Verify: fmt::Debug + Send + Sync {
    fn verifies(&self, request: &Request, arrival: Arrival) -> bool;
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub status: u16,
    /// The outcome's stable code.
    pub code: &'static str,
    /// The field or bound that a refusal is about.
    pub field: Option<&'static str>,
}
