//! Tencent's signature: the parameter `Sign` is the SHA-256, in hex, of a token and the parameter
//! `RequestTime` (TR/34354, "webhook authentication").
//!
//! It does not cover the body, and is documented for Chat's webhooks, not for call callbacks. So it
//! adds to the URL's token and does not replace it. It is checked if the team has set a token in
//! Tencent's console.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::call::model::Arrival;
use crate::door::{request::Request, vendor::Verify};

/// How far Tencent's clock and ours may be apart, in seconds, either way.
const WINDOW_SECONDS: u64 = 60;

/// The token that a team has set in Tencent's console.
#[derive(Clone)]
pub struct SigningToken(String);

impl fmt::Debug for SigningToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningToken(..)")
    }
}

impl SigningToken {
    /// Reads a token of 1 to 128 characters.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        (1..=128).contains(&text.chars().count()).then(|| Self(text.to_owned()))
    }

    /// What Tencent sends as `Sign` at a time.
    pub fn sign(&self, request_time: &str) -> String {
        let digest = Sha256::new().chain_update(&self.0).chain_update(request_time).finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether a signature is Tencent's and of this minute.
    fn is_signed(&self, sign: &str, request_time: &str, arrival: Arrival) -> bool {
        let fresh = request_time
            .parse::<u64>()
            .is_ok_and(|seconds| seconds.abs_diff(arrival.seconds()) <= WINDOW_SECONDS);
        let genuine =
            bool::from(self.sign(request_time).as_bytes().ct_eq(sign.to_ascii_lowercase().as_bytes()));
        fresh && genuine
    }
}

impl Verify for SigningToken {
    fn verifies(&self, request: &Request, arrival: Arrival) -> bool {
        let sent = request.parameters().text("Sign").zip(request.parameters().text("RequestTime"));
        sent.is_some_and(|(sign, request_time)| self.is_signed(sign, request_time, arrival))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT_AT: &str = "1669872112";

    fn at(seconds: u64) -> Arrival {
        Arrival { milliseconds: seconds * 1_000 }
    }

    fn token() -> SigningToken {
        SigningToken::parse("xxxxyyyy").unwrap()
    }

    #[test]
    fn the_vendors_own_example_verifies() {
        let sign = "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061";
        assert_eq!(token().sign(SENT_AT), sign);
        assert!(token().is_signed(sign, SENT_AT, at(1_669_872_112)));
        assert!(token().is_signed(&sign.to_uppercase(), SENT_AT, at(1_669_872_112)));
    }

    #[test]
    fn a_signature_is_good_for_a_minute_either_way_and_no_longer() {
        let sign = token().sign(SENT_AT);
        for (arrival, verifies) in [(-61, false), (-60, true), (60, true), (61, false)] {
            let arrival = at(1_669_872_112_u64.checked_add_signed(arrival).unwrap());
            assert_eq!(token().is_signed(&sign, SENT_AT, arrival), verifies, "{arrival:?}");
        }
    }

    #[test]
    fn any_other_signature_is_rejected() {
        let arrival = at(1_669_872_112);
        let sign = token().sign(SENT_AT);
        for (sign, time) in
            [("", SENT_AT), (&sign[1..], SENT_AT), (&sign, "1669872113"), (&sign, ""), ("é", "x")]
        {
            assert!(!token().is_signed(sign, time, arrival), "{sign} {time}");
        }
        assert!(!SigningToken::parse("other").unwrap().is_signed(&sign, SENT_AT, arrival));
    }

    #[test]
    fn a_token_has_a_length_and_cannot_be_printed() {
        assert!(SigningToken::parse(" ").is_none() && SigningToken::parse(&"x".repeat(129)).is_none());
        assert!(!format!("{:?}", token()).contains("xxxx"));
    }
}
