//! HTTP/2 to a provider: one connection for all devices, kept between calls.
//!
//! A connection may have died while the environment was frozen. While a push waits, HTTP/2 pings find out:
//! a dead connection ends, and the push goes again on a new one. A slow provider answers the pings, and its
//! pushes are not sent again, because phones would ring twice.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::{HttpConnector, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::aws::{budget, trust::Trust};

/// USERTrust RSA, and AAA, which also signs it (until the end of 2028).
pub const APPLES_ROOTS: &str = include_str!("../../../roots/apple-push.pem");
/// GTS Root R1 to R4.
pub const GOOGLES_ROOTS: &str = include_str!("../../../roots/google.pem");

/// A NAT gateway forgets a connection after 350 s.
const IDLE: Duration = Duration::from_secs(300);
/// How long nothing is heard before a ping is sent, and how long a ping may take: together less than half of
/// the time that pushes have.
const SILENCE: Duration = Duration::from_millis(150);
const PING: Duration = Duration::from_millis(300);
const ANSWER_BYTES: usize = 16 << 10;

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Sent {
    Answer(u16, Bytes),
    /// It may have arrived. No answer came.
    NoAnswer,
    /// There was no connection.
    Unreached,
}

#[derive(Clone, Debug)]
pub struct Client {
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Client {
    /// A client that trusts the provider's authorities, or those of a bundle.
    #[expect(clippy::expect_used, reason = "in INIT, and ring has cipher suites of both versions")]
    pub fn new(roots: &str, trust: &Trust) -> Self {
        let mut store = RootCertStore::empty();
        let mut add = |pem: &str| {
            store.add_parsable_certificates(CertificateDer::pem_slice_iter(pem.as_bytes()).flatten());
        };
        match trust {
            Trust::Bundle(certificates) => certificates.iter().for_each(|pem| add(pem)),
            Trust::ByEndpoint => add(roots),
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .with_root_certificates(store)
            .with_no_client_auth();
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(budget::PUSHES.connect));
        // Otherwise a push waits for the acknowledgement of its headers: 44 ms instead of 2.
        http.set_nodelay(true);
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_only()
            .enable_http2()
            .wrap_connector(http);
        let pool = Pool::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .http2_only(true)
            .http2_keep_alive_interval(SILENCE)
            .http2_keep_alive_timeout(PING)
            .pool_idle_timeout(IDLE)
            .build(https);
        Self { pool }
    }

    /// Sends a request. A connection that says nothing in time is not used again.
    pub async fn send(&self, mut request: Request<Full<Bytes>>, time: Duration) -> Sent {
        let captured = capture_connection(&mut request);
        let whole = async {
            let (head, body) = self.pool.request(request).await.ok()?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES).collect().await.ok()?;
            Some(Sent::Answer(head.status.as_u16(), body.to_bytes()))
        };
        if let Ok(Some(answer)) = tokio::time::timeout(time, whole).await {
            return answer;
        }
        match captured.connection_metadata().as_ref() {
            Some(connection) => {
                connection.poison();
                Sent::NoAnswer
            }
            None => Sent::Unreached,
        }
    }
}
