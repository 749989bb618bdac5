//! Which certificate authorities are trusted for AWS.
//!
//! Reading the system's hundred and more certificates costs each cold start some milliseconds.
//! AWS's own endpoints need only Amazon's five roots, which are in `shared/roots`
//! (<https://www.amazontrust.com/repository>). `AWS_CA_BUNDLE` replaces them, as in AWS's other
//! tools. Why, and the price: docs/decisions/starts.md.

use aws_smithy_http_client::tls::TrustStore;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Amazon Root CA 1 to 4 and Starfield Services Root Certificate Authority G2, all valid until the
/// end of 2037 or longer.
const AMAZON_ROOTS: &str = include_str!("../../roots/amazon.pem");

/// Which authorities are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Amazon's own for its endpoints, the system's for others.
    #[default]
    ByEndpoint,
    /// Those of a bundle, each in PEM.
    Bundle(Vec<String>),
}

impl Trust {
    /// Reads a bundle. `None` if the path is not a readable file with at least one certificate.
    pub fn read(path: &str) -> Option<Self> {
        let certificates = usable_certificates(&std::fs::read(path).ok()?);
        (!certificates.is_empty()).then_some(Self::Bundle(certificates))
    }

    /// The authorities for an endpoint.
    pub fn store_for(&self, endpoint: &str) -> TrustStore {
        let encrypted = endpoint.starts_with("https://");
        match self {
            Self::Bundle(certificates) => certificates
                .iter()
                .fold(TrustStore::empty(), |store, pem| store.with_pem_certificate(pem.as_bytes())),
            Self::ByEndpoint if encrypted && !is_amazons(endpoint) => TrustStore::default(),
            Self::ByEndpoint => TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
        }
    }
}

/// Endpoints in all regions except those of China, the European Sovereign Cloud and the isolated
/// clouds, which have other domains.
fn is_amazons(endpoint: &str) -> bool {
    let host = endpoint.trim_start_matches("https://").split(['/', ':']).next().unwrap_or_default();
    host.ends_with(".amazonaws.com")
}

/// The certificates in a bundle that can be an authority, each in PEM. A system's bundle has some
/// that cannot; the SDK's client would panic at the first of them.
fn usable_certificates(pem: &[u8]) -> Vec<String> {
    CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .filter(|certificate| webpki::anchor_from_trusted_cert(certificate).is_ok())
        .map(|certificate| {
            format!(
                "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
                STANDARD.encode(certificate)
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_five_of_amazons_roots_can_be_read() {
        assert_eq!(usable_certificates(AMAZON_ROOTS.as_bytes()).len(), 5);
    }

    #[test]
    fn amazons_roots_are_used_for_amazons_endpoints_only() {
        for url in ["https://dynamodb.eu-west-1.amazonaws.com", "https://sns.us-gov-west-1.amazonaws.com/"] {
            assert!(is_amazons(url), "{url}");
        }
        for url in [
            "https://dynamodb.cn-north-1.amazonaws.com.cn",
            "https://dynamodb.eusc-de-east-1.amazonaws.eu",
            "https://localhost:8443/.amazonaws.com",
            "https://amazonaws.com.example.org",
            "https://notamazonaws.com",
        ] {
            assert!(!is_amazons(url), "{url}");
        }
    }

    #[test]
    fn a_bundle_needs_at_least_one_usable_authority() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let mixed = format!("{broken}{AMAZON_ROOTS}");
        assert_eq!(usable_certificates(mixed.as_bytes()).len(), 5);
        assert!(usable_certificates(broken.as_bytes()).is_empty());
    }

    #[test]
    fn a_bundle_that_cannot_be_read_is_none() {
        for bundle in ["/no/such/file", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")] {
            assert!(Trust::read(bundle).is_none(), "{bundle}");
        }
        assert!(Trust::read(concat!(env!("CARGO_MANIFEST_DIR"), "/roots/amazon.pem")).is_some());
    }
}
