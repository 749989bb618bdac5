//! The signed tokens that say who we are: ES256 for Apple, RS256 for Google. They are two base64 texts and a
//! signature, and ring, which TLS needs anyway, makes the signatures.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::RSA_PKCS1_SHA256;
use serde_json::{Value, json};

use crate::ring::push::keys::{ApnsKey, ServiceAccount};

/// What a service account asks for: sending messages, and nothing else.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

/// Apple's provider token. `now` in seconds.
pub fn provider_token(key: &ApnsKey, now: u64) -> Option<String> {
    let head = json!({ "alg": "ES256", "kid": key.key_id });
    let message = message(&head, &json!({ "iss": key.team_id, "iat": now }));
    let signature = key.pair.sign(&SystemRandom::new(), message.as_bytes()).ok()?;
    Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// What a service account exchanges for an access token. `now` in seconds.
pub fn assertion(account: &ServiceAccount, now: u64) -> Option<String> {
    let claims = json!({
        "iss": account.email, "scope": SCOPE, "aud": account.token_uri.to_string(),
        "iat": now, "exp": now + 3_600,
    });
    let message = message(&json!({ "alg": "RS256", "typ": "JWT" }), &claims);
    let mut signature = vec![0; account.pair.public().modulus_len()];
    account.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).ok()?;
    Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn message(head: &Value, claims: &Value) -> String {
    let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encoded(head), encoded(claims))
}
