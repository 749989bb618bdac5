//! How the token of an app names its user.

use serde_json::{Map, Value};

use crate::ring::device::User;

/// The users of a service, each named by a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtUsers {
    service: String,
    claim: String,
}

impl JwtUsers {
    /// `None` if no user can belong to the service.
    pub fn new(service: &str, claim: &str) -> Option<Self> {
        User::parse(service, "any")?;
        Some(Self { service: service.to_owned(), claim: claim.to_owned() })
    }

    /// The user whom a token names. `None` if its claim is missing or unusable.
    pub fn user(&self, claims: &Map<String, Value>) -> Option<User> {
        User::parse(&self.service, claims.get(&self.claim)?.as_str()?)
    }
}
