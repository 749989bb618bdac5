//! Who is admitted.
//!
//! Neither vendor signs its call callbacks by default, so the URL is the secret: one path segment
//! is a token, of which the deployment knows only the SHA-256 digest. Next comes the allow-list of
//! your own service ids or app ids.
//!
//! A request is [`Unverified`] until [`Gate::admit`] has checked it; only a [`Verified`] request
//! can be parsed. Source addresses and signatures are checked if the operator configures them. At
//! start, the log names each check that is off.

use std::fmt;
use std::net::IpAddr;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::call::model::Arrival;
use crate::door::request::{Request, Unverified};
use crate::door::route::Route;
use crate::door::sources::Sources;
use crate::door::vendor::Verify;
use crate::text::bounds;
use crate::text::query::Parameters;
use crate::text::refusal::{Bound, Refusal};

/// A request with the right token that names only allowed services or apps. Only a [`Gate`] makes
/// one.
#[derive(Debug)]
pub struct Verified {
    request: Request,
    route: &'static Route,
}

impl Verified {
    pub fn parameters(&self) -> &Parameters {
        self.request.parameters()
    }

    /// The body as text; empty if there is none.
    pub fn body(&self) -> &str {
        self.request.body()
    }

    /// Its route.
    pub fn route(&self) -> &'static Route {
        self.route
    }
}

/// SHA-256 digests of the valid tokens. Two can be valid at once, so that a token can be changed
/// without a gap.
#[derive(Clone)]
pub struct TokenDigests(Vec<[u8; 32]>);

impl TokenDigests {
    /// Reads one or two hex digests, separated by a comma. `None` if the text is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let digests =
            text.split(',').map(|digest| digest_from_hex(digest.trim())).collect::<Option<Vec<_>>>()?;
        (1..=2).contains(&digests.len()).then_some(Self(digests))
    }

    /// Whether a token is valid. Takes the same time for every token.
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

/// Which service ids or SDKAppIDs are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowList {
    /// Any id. It must be written as `any`; an empty list is an error.
    Any,
    /// The team's own ids.
    Only(Vec<String>),
}

impl AllowList {
    /// Reads ids separated by commas, or the word `any`. `None` if the list is empty.
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim() == "any" {
            return Some(Self::Any);
        }
        let ids: Vec<String> =
            text.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect();
        (!ids.is_empty()).then_some(Self::Only(ids))
    }

    fn admits(&self, id: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(ids) => ids.iter().any(|ours| ours == id),
        }
    }
}

/// Which source addresses are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceCheck {
    /// Any address; the URL's token is the only protection.
    AnySource,
    /// Addresses in the operator's list.
    Listed(Sources),
}

/// Whether signatures are verified.
#[derive(Debug)]
pub enum SignatureCheck {
    /// Not verified; the URL's token is the only protection.
    NoVerification,
    Verified(Box<dyn Verify>),
}

/// What one function checks before it parses a request.
#[derive(Debug)]
pub struct Gate {
    route: &'static Route,
    tokens: TokenDigests,
    allowed: AllowList,
    sources: SourceCheck,
    signature: SignatureCheck,
}

impl Gate {
    pub fn new(
        route: &'static Route,
        tokens: TokenDigests,
        allowed: AllowList,
        sources: SourceCheck,
        signature: SignatureCheck,
    ) -> Self {
        Self { route, tokens, allowed, sources, signature }
    }

    pub fn route(&self) -> &'static Route {
        self.route
    }

    /// The checks that are off, for the log at start.
    pub fn unchecked(&self) -> Vec<&'static str> {
        let sources = (self.sources == SourceCheck::AnySource).then_some("source addresses");
        let unverified = matches!(self.signature, SignatureCheck::NoVerification);
        let signature = (unverified && self.route.vendor.signature.is_some()).then_some("signatures");
        let ids = (self.allowed == AllowList::Any).then_some("service ids or SDKAppIDs");
        sources.into_iter().chain(signature).chain(ids).collect()
    }

    /// Admits a request or says why not. Token and address come first: without them a caller must
    /// not learn that anything is here.
    ///
    /// # Errors
    /// [`Refusal::UnknownUrl`], [`Refusal::WrongMethod`], [`Refusal::TooLong`],
    /// [`Refusal::WrongSignature`] or [`Refusal::NotOurs`], in this order.
    pub fn admit(&self, request: Unverified, arrival: Arrival) -> Result<Verified, Refusal> {
        let token = self.route.token_in(&request.path).ok_or(Refusal::UnknownUrl)?;
        if !self.tokens.open_for(token) || !self.is_from_the_vendor(request.source) {
            return Err(Refusal::UnknownUrl);
        }
        if request.method != self.route.method {
            return Err(Refusal::WrongMethod);
        }
        if request.body.len() > bounds::BODY_BYTES {
            return Err(Refusal::TooLong(Bound::Body));
        }
        let Unverified { query, headers, body, .. } = request;
        let request = Request { parameters: Parameters::parse(&query)?, headers, body };
        if let SignatureCheck::Verified(verifier) = &self.signature
            && !verifier.verifies(&request, arrival)
        {
            return Err(Refusal::WrongSignature);
        }
        if !self.is_ours(&request) {
            return Err(Refusal::NotOurs);
        }
        Ok(Verified { request, route: self.route })
    }

    fn is_from_the_vendor(&self, source: Option<IpAddr>) -> bool {
        match &self.sources {
            SourceCheck::AnySource => true,
            SourceCheck::Listed(sources) => sources.include(source),
        }
    }

    /// Every id in the request must be on the list.
    fn is_ours(&self, request: &Request) -> bool {
        let vendor = self.route.vendor;
        if self.allowed == AllowList::Any {
            return true;
        }
        match (vendor.ids)(request).as_slice() {
            [] => (vendor.may_name_none)(request),
            ids => ids.iter().all(|id| id.as_ref().is_some_and(|id| self.allowed.admits(id))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::settings::Environment;
    use crate::line;
    use crate::tencent;

    const TOKEN: &str = "a-token";

    fn hex(token: &str) -> String {
        Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    const NOW: Arrival = Arrival { milliseconds: 1_669_872_112_000 };

    fn gate(route: &'static Route, allowed: &'static str) -> Gate {
        guarded(route, &[("LINE_SERVICE_IDS", allowed), ("TENCENT_SDK_APP_IDS", allowed)])
    }

    fn guarded(route: &'static Route, variables: &[(&'static str, &'static str)]) -> Gate {
        let variables = variables.to_vec();
        let lookup = move |asked: &str| match asked {
            "CALLBACK_TOKEN_SHA256" => Some(hex(TOKEN)),
            _ => variables.iter().find(|(name, _)| *name == asked).map(|(_, value)| (*value).to_owned()),
        };
        Environment::new(lookup).gate(route).unwrap()
    }

    fn line(path: &str, query: &str) -> Result<Verified, Refusal> {
        let request = Unverified::new("GET".into(), path.into(), query.into(), String::new());
        gate(&line::NOTIFY, "ours,ours-too").admit(request, NOW)
    }

    fn tencent(query: &str, body: &str) -> Result<Verified, Refusal> {
        gate(&tencent::CALL_EVENT, "1400000001").admit(tencent_request(query, body), NOW)
    }

    fn tencent_request(query: &str, body: &str) -> Unverified {
        Unverified::new("POST".into(), format!("/{TOKEN}/tencent/call_event"), query.into(), body.into())
    }

    #[test]
    fn the_token_is_the_segment_before_the_route_with_or_without_a_stage_in_front() {
        assert!(line("/a-token/line/notify_cb", "").is_ok());
        assert!(line("/prod/a-token/line/notify_cb", "").is_ok());
        for path in [
            "/b-token/line/notify_cb",
            "/line/notify_cb",
            "//line/notify_cb",
            "/a-token/line/call_event",
            "",
            "/",
        ] {
            assert_eq!(line(path, "").unwrap_err(), Refusal::UnknownUrl, "{path}");
        }
    }

    #[test]
    fn either_of_two_digests_opens() {
        let both = TokenDigests::parse(&format!("{}, {}", hex("old"), hex("new").to_uppercase())).unwrap();
        assert!(both.open_for("old") && both.open_for("new") && !both.open_for("other"));
    }

    #[test]
    fn a_malformed_digest_is_rejected() {
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
    fn a_wrong_method_is_reported_only_with_the_right_token() {
        let head = |path: &str| {
            let request = Unverified::new("HEAD".into(), path.into(), String::new(), String::new());
            gate(&line::NOTIFY, "any").admit(request, NOW).unwrap_err()
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
    fn a_listed_source_is_admitted_and_any_other_sees_an_unknown_url() {
        let gate =
            guarded(&line::NOTIFY, &[("LINE_SERVICE_IDS", "any"), ("LINE_SOURCE_CIDRS", "192.0.2.0/24")]);
        let from = |source: Option<&str>| {
            let request =
                Unverified::new("GET".into(), "/a-token/line/notify_cb".into(), String::new(), String::new());
            gate.admit(request.with_source(source.map(|source| source.parse().unwrap())), NOW)
        };
        assert!(from(Some("192.0.2.7")).is_ok());
        assert_eq!(from(Some("198.51.100.7")).unwrap_err(), Refusal::UnknownUrl);
        assert_eq!(from(None).unwrap_err(), Refusal::UnknownUrl);
        assert!(!gate.unchecked().contains(&"source addresses"));
    }

    #[test]
    fn with_a_signing_token_only_tencents_signature_comes_in() {
        let variables = [("TENCENT_SDK_APP_IDS", "1400000001"), ("TENCENT_CALLBACK_TOKEN", "xxxxyyyy")];
        let gate = guarded(&tencent::CALL_EVENT, &variables);
        let admit =
            |query: &str| gate.admit(tencent_request(&format!("SdkAppid=1400000001&{query}"), "{}"), NOW);
        let sign = "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061";
        assert!(admit(&format!("Sign={sign}&RequestTime=1669872112")).is_ok());
        for query in [
            "",
            "Sign=&RequestTime=1669872112",
            "Sign=0&RequestTime=1669872112",
            &format!("Sign={sign}"),
            &format!("Sign={sign}&RequestTime=1669872113"),
        ] {
            assert_eq!(admit(query).unwrap_err(), Refusal::WrongSignature, "{query}");
        }
        assert_eq!(gate.unchecked(), ["source addresses"]);
    }

    #[test]
    fn what_is_not_checked_has_a_name() {
        assert_eq!(gate(&line::NOTIFY, "any").unchecked(), ["source addresses", "service ids or SDKAppIDs"]);
        assert_eq!(gate(&tencent::CALL_EVENT, "1").unchecked(), ["source addresses", "signatures"]);
    }

    #[test]
    fn an_empty_allow_list_is_an_error_and_any_must_be_written() {
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
        let request =
            Unverified::new("GET".into(), "/secret/".into(), "param=secret".into(), "secret".into());
        assert!(!format!("{request:?}").contains("secret"));
        let verified = tencent("sdkappid=1400000001&clientip=secret", "secret").unwrap();
        assert!(!format!("{verified:?}").contains("secret"));
    }
}
