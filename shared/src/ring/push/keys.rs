//! The keys that say who we are: Apple's signing key and Google's service account.

use std::fmt;

use hyper::Uri;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;

use crate::aws::Failure;
use crate::aws::ssm::{self, Parameters};

/// Why a key cannot be used. It never shows the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("key_unreadable")]
    Unreadable,
    #[error("key_missing")]
    Missing,
    #[error("key_malformed")]
    Malformed,
    #[error("key_not_of_its_kind")]
    WrongKind,
}

/// A signing key of an Apple developer team.
pub struct ApnsKey {
    pub team_id: String,
    pub key_id: String,
    pub pair: EcdsaKeyPair,
}

/// A service account of a Google project.
pub struct ServiceAccount {
    pub email: String,
    /// Where it gets its access tokens.
    pub token_uri: Uri,
    pub pair: RsaKeyPair,
}

impl fmt::Debug for ApnsKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApnsKey(..)")
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ServiceAccount(..)")
    }
}

impl ApnsKey {
    /// Reads the JSON object of `APNS_KEY_PARAMETER`: `team_id`, `key_id`, and the .p8 file's text as
    /// `private_key`.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        #[derive(Deserialize)]
        struct Stored {
            team_id: String,
            key_id: String,
            private_key: String,
        }
        let stored: Stored = serde_json::from_str(text).map_err(|_| KeyError::Malformed)?;
        let der = pkcs8(&stored.private_key)?;
        let pair = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            der.secret_pkcs8_der(),
            &SystemRandom::new(),
        )
        .map_err(|_| KeyError::WrongKind)?;
        Ok(Self { team_id: stored.team_id, key_id: stored.key_id, pair })
    }
}

impl ServiceAccount {
    /// Reads the file that Google gives for a service account.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        #[derive(Deserialize)]
        struct Stored {
            client_email: String,
            token_uri: String,
            private_key: String,
        }
        let stored: Stored = serde_json::from_str(text).map_err(|_| KeyError::Malformed)?;
        let token_uri: Uri = stored.token_uri.parse().map_err(|_| KeyError::Malformed)?;
        if token_uri.scheme_str() != Some("https") {
            return Err(KeyError::Malformed);
        }
        let pair = RsaKeyPair::from_pkcs8(pkcs8(&stored.private_key)?.secret_pkcs8_der())
            .map_err(|_| KeyError::WrongKind)?;
        Ok(Self { email: stored.client_email, token_uri, pair })
    }
}

fn pkcs8(pem: &str) -> Result<PrivatePkcs8KeyDer<'static>, KeyError> {
    PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::Malformed)
}

/// The texts of the parameters, in the order of their names. One that SSM does not have is missing alone.
pub async fn read(ssm: &Parameters, names: &[&str], now: u64) -> Vec<Result<String, KeyError>> {
    match ssm.read(names, ssm::at(now)).await {
        Ok(texts) => texts.into_iter().map(|text| text.ok_or(KeyError::Missing)).collect(),
        Err(failure) => {
            let code = match &failure {
                Failure::Unavailable { code, .. } => code.as_str(),
                Failure::TooSlow(_) => "no_answer",
            };
            tracing::error!(error = "key_unreadable", code, "SSM did not give the keys for pushes");
            names.iter().map(|_| Err(KeyError::Unreadable)).collect()
        }
    }
}
