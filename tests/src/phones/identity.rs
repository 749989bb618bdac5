//! The keys and certificates of the stand-ins. They are made at each start and never committed.

use std::io;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use rsa::pkcs8::{EncodePrivateKey, LineEnding};
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

pub const TEAM: &str = "TEAM123456";
pub const KEY: &str = "KEY1234567";
pub const PROJECT: &str = "ringback-phones";
pub const ACCOUNT: &str = "ringback@ringback-phones.iam.gserviceaccount.com";

/// What the stand-ins know of their customer, and how they prove who they are.
pub(super) struct Identity {
    pub(super) ca: String,
    apple: KeyPair,
    google: rsa::RsaPrivateKey,
    pub(super) tls: ServerConfig,
}

impl Identity {
    pub(super) fn new() -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
        let mut tls = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Self {
            ca: authority.pem(),
            apple: KeyPair::generate().unwrap(),
            google: rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2_048).unwrap(),
            tls,
        }
    }

    /// The APNs key as `APNS_KEY_PARAMETER` has it.
    pub(super) fn apns_key(&self) -> Value {
        json!({ "team_id": TEAM, "key_id": KEY, "private_key": self.apple.serialize_pem() })
    }

    /// The service account's file. It asks for its tokens at the stand-in.
    pub(super) fn fcm_key(&self, url: &str) -> Value {
        json!({
            "type": "service_account", "project_id": PROJECT, "private_key_id": "1",
            "private_key": self.google.to_pkcs8_pem(LineEnding::LF).unwrap().as_str(),
            "client_email": ACCOUNT, "token_uri": format!("{url}/token"),
        })
    }

    pub(super) fn write(&self, folder: &Path, url: &str) -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("ca.pem"), &self.ca)?;
        std::fs::write(folder.join("apns-key.json"), self.apns_key().to_string())?;
        std::fs::write(folder.join("fcm-key.json"), self.fcm_key(url).to_string())
    }

    pub(super) fn apple_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, self.apple.public_key_raw())
            .verify(message, signature)
            .is_ok()
    }

    pub(super) fn google_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let (n, e) = (self.google.n().to_bytes_be(), self.google.e().to_bytes_be());
        RsaPublicKeyComponents { n, e }
            .verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature)
            .is_ok()
    }
}
