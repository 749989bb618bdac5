//! DynamoDB and SNS on loopback, over TLS 1.3 with a certificate authority of their own. [`Table`] answers
//! the requests; here are the connections, `/ping`, and that every other request is signed.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use ringback_tests::http::{Message, Server, response};
use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::version::TLS13;
use rustls::{CipherSuite, ServerConfig, ServerConnection, StreamOwned};

use crate::table::{Reply, Table};

const HOST: &str = "localhost";
/// AWS's load balancers prefer this suite. rustls begins with a longer one.
const OF_AWS: CipherSuite = CipherSuite::TLS13_AES_128_GCM_SHA256;

/// It listens until it is dropped.
pub struct Aws {
    pub authority_pem: String,
    state: Arc<State>,
    server: Server,
}

#[derive(Default)]
struct State {
    table: Mutex<Table>,
    handshakes: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl Aws {
    pub fn start() -> Result<Self> {
        let (config, authority_pem) = tls()?;
        let (config, state) = (Arc::new(config), Arc::new(State::default()));
        let serving = Arc::clone(&state);
        // A client that is killed breaks its connection, which is no trouble once its handshake is done.
        let server = Server::start(move |connection| drop(serving.serve(connection, Arc::clone(&config))))?;
        Ok(Self { authority_pem, state, server })
    }

    /// The value for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("https://{HOST}:{}", self.port())
    }

    pub fn port(&self) -> u16 {
        self.server.address.port()
    }

    pub fn table(&self) -> MutexGuard<'_, Table> {
        self.state.table()
    }

    /// Handshakes that were finished.
    pub fn handshakes(&self) -> u64 {
        self.state.handshakes.load(Ordering::SeqCst)
    }

    /// The first thing that went wrong: a failed handshake, an unsigned request, or one that no function
    /// should send.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.state.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        trouble.or_else(|| self.table().unexpected.clone())
    }
}

impl State {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep_trouble(&self, what: String) {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(what);
    }

    fn serve(&self, mut connection: TcpStream, config: Arc<ServerConfig>) -> io::Result<()> {
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            if let Err(error) = tls.complete_io(&mut connection) {
                // A client that goes away was killed or gave up, which shows elsewhere. One that refuses says
                // so.
                if !matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) {
                    self.keep_trouble(format!("a handshake failed: {error}"));
                }
                return Err(error);
            }
        }
        let suite = tls.negotiated_cipher_suite().map(|suite| suite.suite());
        if suite != Some(OF_AWS) {
            self.keep_trouble(format!("a connection with {suite:?}"));
        }
        self.handshakes.fetch_add(1, Ordering::SeqCst);
        let mut stream = StreamOwned::new(tls, connection);
        while let Some(request) = Message::read(&mut stream)? {
            let reply = self.answer(&request);
            stream.write_all(&response(
                reply.status,
                &[("content-type", reply.content_type)],
                reply.body.as_bytes(),
            ))?;
            stream.flush()?;
        }
        Ok(())
    }

    fn answer(&self, request: &Message) -> Reply {
        // The functions open their connections with it. AWS charges nothing for it.
        if request.head().starts_with("GET /ping ") {
            return Reply { status: 200, content_type: "text/plain", body: "healthy".to_owned() };
        }
        let is_signed =
            request.header("authorization").is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 "));
        if !is_signed || request.word(0) != "POST" {
            self.keep_trouble(format!("an unsigned {} of {}", request.word(0), request.word(1)));
        }
        self.table().answer(request.header("x-amz-target"), &request.body())
    }
}

/// A server's settings with a new ECDSA certificate, and the authority that signed it.
fn tls() -> Result<(ServerConfig, String)> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "Ringback bench");
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority_key = KeyPair::generate()?;
    let authority_pem = authority.self_signed(&authority_key)?.pem();

    let mut leaf = CertificateParams::new(vec![HOST.to_owned()])?;
    leaf.use_authority_key_identifier_extension = true;
    let leaf_key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&leaf_key, &Issuer::new(authority, authority_key))?;

    let mut provider = ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != OF_AWS);
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(leaf_key.serialize_der()).into(),
        )?;
    config.ignore_client_order = true;
    Ok((config, authority_pem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsigned_request_is_trouble_and_a_ping_is_no_request() {
        let aws = Aws::start().unwrap();
        let answer = |request: &str| {
            aws.state.answer(&Message::read(&mut request.as_bytes()).unwrap().unwrap()).status
        };
        assert_eq!((answer("GET /ping HTTP/1.1\r\n\r\n"), aws.trouble()), (200, None));
        assert_eq!(aws.table().usage.requests, 0.0);
        let body = "Action=Publish&TopicArn=arn&Message=m";
        answer(&format!("POST / HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
        assert!(aws.trouble().unwrap().contains("unsigned POST"));
        assert_eq!(aws.table().usage.requests, 1.0);
    }
}
