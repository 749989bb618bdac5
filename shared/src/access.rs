//! Who may come in.
//!
//! Neither vendor signs its call callbacks, so the URL is the secret: a path segment of which the deployment knows only the SHA-256 digest.
//! Behind it stands the allow-list of the team's own service ids (LINE) or SDKAppIDs (Tencent). A request is [`Unverified`] until
//! [`Gate::admit`] has looked at it, and only what comes out, [`Verified`], can be parsed by a vendor's reader.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::bounds;
use crate::query::Parameters;
use crate::refusal::{Bound, Refusal};
use crate::route::{Identity, Route};

/// A request of which nothing is known yet. It can be given to a [`Gate`], and nothing else can be done with it.
pub struct Unverified {
    method: String,
    path: String,
    query: String,
    body: String,
}

impl Unverified {
    /// Takes a request in as it arrived: the path and the query raw, the body as text.
    pub fn new(method: String, path: String, query: String, body: String) -> Self {
        Self { method, path, query, body }
    }
}

impl fmt::Debug for Unverified {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Unverified(..)")
    }
}

/// A request that knew the token and names nobody else's service. Only a [`Gate`] makes one.
#[derive(Debug)]
pub struct Verified {
    parameters: Parameters,
    body: VerifiedBody,
}

impl Verified {
    /// The query's parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The body as text; empty when there is none.
    pub fn body(&self) -> &str {
        &self.body.0
    }
}

struct VerifiedBody(String);

impl fmt::Debug for VerifiedBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}

/// SHA-256 digests of the tokens that open the door. Two may live at once, so that a token can be changed without a gap.
#[derive(Clone)]
pub struct TokenDigests(Vec<[u8; 32]>);

impl TokenDigests {
    /// Reads one or two hex digests, separated by a comma. `None` when that is not what the text holds.
    pub fn parse(text: &str) -> Option<Self> {
        let digests = text.split(',').map(|digest| digest_from_hex(digest.trim())).collect::<Option<Vec<_>>>()?;
        (1..=2).contains(&digests.len()).then_some(Self(digests))
    }

    /// Whether a token is one of ours. Takes the same time for every token, right or wrong.
    fn open_for(&self, token: &str) -> bool {
        let digest = Sha256::digest(token.as_bytes());
        self.0.iter().fold(Choice::from(0), |open, ours| open | ours.ct_eq(&digest[..])).into()
    }
}

impl fmt::Debug for TokenDigests {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TokenDigests({})", self.0.len())
    }
}

fn digest_from_hex(hex: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (position, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * position..2 * position + 2)?, 16).ok()?;
    }
    Some(digest)
}

/// Whose callbacks are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowList {
    /// Anybody's: said with the word `any`, never by leaving the list empty.
    Any,
    /// The team's own ids.
    Only(Vec<String>),
}

impl AllowList {
    /// Reads ids separated by commas, or the word `any`. `None` when the list is empty.
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim() == "any" {
            return Some(Self::Any);
        }
        let ids: Vec<String> = text.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect();
        (!ids.is_empty()).then_some(Self::Only(ids))
    }

    fn admits(&self, id: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(ids) => ids.iter().any(|ours| ours == id),
        }
    }
}

/// The door of one function.
#[derive(Clone, Debug)]
pub struct Gate {
    route: &'static Route,
    tokens: TokenDigests,
    allowed: AllowList,
}

impl Gate {
    /// A door for a route.
    pub fn new(route: &'static Route, tokens: TokenDigests, allowed: AllowList) -> Self {
        Self { route, tokens, allowed }
    }

    /// The route that it stands at.
    pub fn route(&self) -> &'static Route {
        self.route
    }

    /// Lets a request in or says why not. The token comes first: without it nobody learns whether anything is here.
    ///
    /// # Errors
    /// [`Refusal::UnknownUrl`], [`Refusal::WrongMethod`], [`Refusal::TooLong`] or [`Refusal::NotOurs`], in this order.
    pub fn admit(&self, request: Unverified) -> Result<Verified, Refusal> {
        let token = self.route.token_in(&request.path).ok_or(Refusal::UnknownUrl)?;
        if !self.tokens.open_for(token) {
            return Err(Refusal::UnknownUrl);
        }
        if request.method != self.route.method {
            return Err(Refusal::WrongMethod);
        }
        if request.body.len() > bounds::BODY_BYTES {
            return Err(Refusal::TooLong(Bound::Body));
        }
        let parameters = Parameters::parse(&request.query)?;
        if !self.is_ours(&parameters, &request.body) {
            return Err(Refusal::NotOurs);
        }
        Ok(Verified { parameters, body: VerifiedBody(request.body) })
    }

    fn is_ours(&self, parameters: &Parameters, body: &str) -> bool {
        if self.allowed == AllowList::Any {
            return true;
        }
        let mut named = false;
        for id in parameters.values(self.route.names_a_service) {
            match id {
                Some("") => {}
                Some(id) if self.allowed.admits(id) => named = true,
                _ => return false,
            }
        }
        match self.route.identity {
            Identity::CheckedWhenPresent => true,
            Identity::Required => named || is_blank(body),
        }
    }
}

/// Tencent's console checks a URL with an empty object; there is nothing in it to protect.
fn is_blank(body: &str) -> bool {
    body.bytes().filter(|byte| !byte.is_ascii_whitespace()).eq(*b"{}") || body.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route;

    const TOKEN: &str = "a-token";

    fn hex(token: &str) -> String {
        Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn gate(route: &'static Route, allowed: &str) -> Gate {
        Gate::new(route, TokenDigests::parse(&hex(TOKEN)).unwrap(), AllowList::parse(allowed).unwrap())
    }

    fn line(path: &str, query: &str) -> Result<Verified, Refusal> {
        gate(&route::NOTIFY, "ours,ours-too").admit(Unverified::new(
            "GET".into(),
            path.into(),
            query.into(),
            String::new(),
        ))
    }

    fn tencent(query: &str, body: &str) -> Result<Verified, Refusal> {
        let path = format!("/{TOKEN}/tencent/call_event");
        gate(&route::TENCENT_CALL_EVENT, "1400000001").admit(Unverified::new(
            "POST".into(),
            path,
            query.into(),
            body.into(),
        ))
    }

    #[test]
    fn the_token_is_the_segment_before_the_route_with_or_without_a_stage_in_front() {
        assert!(line("/a-token/line/notify_cb", "").is_ok());
        assert!(line("/prod/a-token/line/notify_cb", "").is_ok());
        for path in
            ["/b-token/line/notify_cb", "/line/notify_cb", "//line/notify_cb", "/a-token/line/call_event", "", "/"]
        {
            assert_eq!(line(path, "").unwrap_err(), Refusal::UnknownUrl, "{path}");
        }
    }

    #[test]
    fn either_of_two_digests_opens() {
        let both = TokenDigests::parse(&format!("{}, {}", hex("old"), hex("new").to_uppercase())).unwrap();
        assert!(both.open_for("old") && both.open_for("new") && !both.open_for("other"));
    }

    #[test]
    fn a_malformed_digest_is_none() {
        let good = hex(TOKEN);
        for text in [
            "",
            ",",
            "abc",
            &good[1..],
            &format!("{good}0"),
            &format!("{good},"),
            &format!("{good},{good},{good}"),
            &"zz".repeat(32),
        ] {
            assert!(TokenDigests::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_wrong_method_is_told_only_to_those_who_know_the_token() {
        let head = |path: &str| {
            gate(&route::NOTIFY, "any")
                .admit(Unverified::new("HEAD".into(), path.into(), String::new(), String::new()))
                .unwrap_err()
        };
        assert_eq!(head("/a-token/line/notify_cb"), Refusal::WrongMethod);
        assert_eq!(head("/x/line/notify_cb"), Refusal::UnknownUrl);
    }

    #[test]
    fn every_service_id_that_is_named_must_be_ours_and_an_absent_one_costs_nothing() {
        let path = "/a-token/line/notify_cb";
        assert!(line(path, "from_service_id=ours&to_service_id=ours-too").is_ok());
        assert!(line(path, "from_service_id=&to_service_id=ours").is_ok());
        assert!(line(path, "sid=1").is_ok());
        for query in [
            "from_service_id=theirs",
            "to_service_id=theirs&from_service_id=ours",
            "to_service_id=ours&to_service_id=theirs",
            "svc_id=%ff",
        ] {
            assert_eq!(line(path, query).unwrap_err(), Refusal::NotOurs, "{query}");
        }
    }

    #[test]
    fn tencent_must_name_an_app_of_ours_but_for_the_consoles_url_check() {
        assert!(tencent("SdkAppid=1400000001", "x").is_ok());
        assert!(tencent("sdkappid=1400000001", "x").is_ok());
        assert!(tencent("", " { }\n").is_ok());
        assert!(tencent("", "").is_ok());
        for (query, body) in [("", "x"), ("sdkappid=2", "{}"), ("sdkappid=1400000001&SdkAppid=2", "x")] {
            assert_eq!(tencent(query, body).unwrap_err(), Refusal::NotOurs, "{query}");
        }
    }

    #[test]
    fn an_empty_allow_list_is_none_and_any_must_be_said() {
        assert_eq!(AllowList::parse(" , "), None);
        assert_eq!(AllowList::parse(""), None);
        assert_eq!(AllowList::parse(" any "), Some(AllowList::Any));
        assert_eq!(AllowList::parse("a, b"), Some(AllowList::Only(vec!["a".into(), "b".into()])));
    }

    #[test]
    fn a_body_past_the_bound_is_refused() {
        assert!(tencent("sdkappid=1400000001", &"x".repeat(bounds::BODY_BYTES)).is_ok());
        let refusal = tencent("sdkappid=1400000001", &"x".repeat(bounds::BODY_BYTES + 1)).unwrap_err();
        assert_eq!(refusal, Refusal::TooLong(Bound::Body));
    }

    #[test]
    fn nothing_of_a_request_can_be_printed() {
        let request = Unverified::new("GET".into(), "/secret/".into(), "param=secret".into(), "secret".into());
        assert!(!format!("{request:?}").contains("secret"));
        let verified = tencent("sdkappid=1400000001&clientip=secret", "secret").unwrap();
        assert!(!format!("{verified:?}").contains("secret"));
    }
}
