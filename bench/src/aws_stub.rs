//! DynamoDB and SNS on this machine's loopback, over TLS 1.3 and nothing older, with a certificate authority of its own.
//!
//! What a request comes to is a [`Service`]'s to say; here is the connection, `/ping`, which is anybody's, and that every other request is signed.

use std::fmt;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::version::TLS13;
use rustls::{CipherSuite, ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::error::BenchError;
use crate::http::{Request, Requests, response};

const HOST: &str = "localhost";

/// Answers requests.
pub trait Service: Send + Sync {
    /// The answer to a request.
    fn answer(&self, request: &AwsRequest) -> Reply;
}

/// A request to AWS.
#[derive(Clone, Debug)]
pub struct AwsRequest {
    /// `X-Amz-Target`: the operation, where the protocol names it in a header (DynamoDB does, SNS does not).
    pub target: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer of AWS.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Reply {
    /// An answer of DynamoDB's.
    pub fn dynamodb(status: u16, body: String) -> Self {
        Self { status, content_type: "application/x-amz-json-1.0", body }
    }

    /// An answer of SNS's.
    pub fn sns(status: u16, body: String) -> Self {
        Self { status, content_type: "text/xml", body }
    }

    /// SNS has taken the message.
    pub fn published() -> Self {
        let body = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult>\
            <MessageId>00000000-0000-4000-8000-000000000000</MessageId></PublishResult>\
            <ResponseMetadata><RequestId>00000000-0000-4000-8000-000000000001</RequestId></ResponseMetadata></PublishResponse>";
        Self::sns(200, body.to_owned())
    }

    /// What nobody expected.
    pub fn not_understood() -> Self {
        Self::dynamodb(400, r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#.to_owned())
    }
}

/// A stub that listens. It ends when it is dropped.
pub struct AwsStub {
    counts: Arc<Counts>,
    port: u16,
    authority_pem: String,
}

#[derive(Default)]
struct Counts {
    handshakes: AtomicU64,
    requests: AtomicU64,
    trouble: Mutex<Option<String>>,
    closing: AtomicBool,
}

impl Counts {
    /// Keeps the first one.
    fn trouble(&self, what: impl FnOnce() -> String) {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(what);
    }
}

impl fmt::Debug for AwsStub {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AwsStub").field("port", &self.port).finish_non_exhaustive()
    }
}

impl AwsStub {
    /// Listens on a port of the system's choice.
    ///
    /// # Errors
    /// [`BenchError`] when there is no certificate or no port to be had.
    pub fn start(service: Arc<dyn Service>) -> Result<Self, BenchError> {
        let (config, authority_pem) = tls()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(BenchError::io("listen as AWS"))?;
        let port = listener.local_addr().map_err(BenchError::io("listen as AWS"))?.port();
        let counts = Arc::new(Counts::default());
        let stub = Self { counts: Arc::clone(&counts), port, authority_pem };
        thread::spawn(move || accept(&listener, &Arc::new(config), &service, &counts));
        Ok(stub)
    }

    /// Where it is: the value for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("https://{HOST}:{}", self.port)
    }

    /// Its port, which no other stub has at the same time.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The authority to trust.
    pub fn authority_pem(&self) -> &str {
        &self.authority_pem
    }

    /// Handshakes that were finished.
    pub fn handshakes(&self) -> u64 {
        self.counts.handshakes.load(Ordering::SeqCst)
    }

    /// Requests that came in, but for the pings.
    pub fn requests(&self) -> u64 {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// The first thing that went wrong on a connection: a handshake that failed, or a request that was not signed.
    pub fn trouble(&self) -> Option<String> {
        self.counts.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for AwsStub {
    fn drop(&mut self) {
        self.counts.closing.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections. The others end with their clients.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// A server's settings with a new ECDSA certificate, and the authority that signed it.
fn tls() -> Result<(ServerConfig, String), BenchError> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "Ringback bench");
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_key = KeyPair::generate()?;
    let authority_pem = authority.self_signed(&authority_key)?.pem();

    let mut leaf = CertificateParams::new(vec![HOST.to_owned()])?;
    leaf.distinguished_name.push(DnType::CommonName, HOST);
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let leaf_key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&leaf_key, &Issuer::new(authority, authority_key))?;

    let key = PrivatePkcs8KeyDer::from(leaf_key.serialize_der());
    let mut provider = ring::default_provider();
    // AWS's load balancers choose by a list of their own, which has this suite first; rustls begins with a longer one.
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())?;
    config.ignore_client_order = true;
    Ok((config, authority_pem))
}

fn accept(listener: &TcpListener, config: &Arc<ServerConfig>, service: &Arc<dyn Service>, counts: &Arc<Counts>) {
    for connection in listener.incoming() {
        if counts.closing.load(Ordering::SeqCst) {
            return;
        }
        let Ok(connection) = connection else { continue };
        let (config, service, counts) = (Arc::clone(config), Arc::clone(service), Arc::clone(counts));
        thread::spawn(move || {
            // A client that is killed breaks its connection, which is no trouble once its handshake is done.
            let _ = serve(connection, config, &*service, &counts);
        });
    }
}

fn serve(
    mut connection: TcpStream,
    config: Arc<ServerConfig>,
    service: &dyn Service,
    counts: &Counts,
) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
    while tls.is_handshaking() {
        if let Err(error) = tls.complete_io(&mut connection) {
            // A client that goes away has lost its patience or its life, which shows in what it was to do. One that refuses says so.
            if !matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) {
                counts.trouble(|| format!("a handshake failed: {error}"));
            }
            return Err(error);
        }
    }
    counts.handshakes.fetch_add(1, Ordering::SeqCst);
    let mut stream = StreamOwned::new(tls, connection);
    let mut requests = Requests::new();
    while let Some(request) = requests.next(&mut stream)? {
        let reply = reply(request, service, counts);
        stream.write_all(&response(reply.status, &[("Content-Type", reply.content_type)], reply.body.as_bytes()))?;
        stream.flush()?;
    }
    Ok(())
}

fn reply(request: Request, service: &dyn Service, counts: &Counts) -> Reply {
    // What a function opens its connections with. It is nothing to be paid for, and so no request here.
    if request.method == "GET" && request.path == "/ping" {
        return Reply { status: 200, content_type: "text/plain", body: "healthy".to_owned() };
    }
    counts.requests.fetch_add(1, Ordering::SeqCst);
    let signed = request.header("authorization").is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 "));
    if !signed || request.method != "POST" {
        counts.trouble(|| format!("an unsigned {} of {}", request.method, request.path));
        return Reply::not_understood();
    }
    let target = request.header("x-amz-target").map(str::to_owned);
    service.answer(&AwsRequest { target, body: request.body })
}

/// Takes every item and every message that has the right shape, and keeps none.
#[derive(Debug, Default)]
pub struct ShapeOnly {
    items: AtomicU64,
    messages: AtomicU64,
    unexpected: Mutex<Option<String>>,
}

impl ShapeOnly {
    /// `PutItem`s taken.
    pub fn items(&self) -> u64 {
        self.items.load(Ordering::SeqCst)
    }

    /// `Publish`es taken.
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::SeqCst)
    }

    /// The first request that was neither.
    pub fn unexpected(&self) -> Option<String> {
        self.unexpected.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Service for ShapeOnly {
    fn answer(&self, request: &AwsRequest) -> Reply {
        match request.target.as_deref() {
            Some("DynamoDB_20120810.PutItem") if is_conditional_put(&request.body) => {
                self.items.fetch_add(1, Ordering::SeqCst);
                Reply::dynamodb(200, "{}".to_owned())
            }
            None if is_publish(&request.body) => {
                self.messages.fetch_add(1, Ordering::SeqCst);
                Reply::published()
            }
            _ => {
                let text = String::from_utf8_lossy(&request.body).into_owned();
                let mut unexpected = self.unexpected.lock().unwrap_or_else(PoisonError::into_inner);
                unexpected.get_or_insert_with(|| format!("{:?} {text}", request.target));
                Reply::not_understood()
            }
        }
    }
}

/// A put of an item under the table's keys, that must not overwrite another one.
fn is_conditional_put(body: &[u8]) -> bool {
    let Ok(put) = serde_json::from_slice::<Value>(body) else { return false };
    ["/TableName", "/ConditionExpression", "/Item/sid/S", "/Item/record/S"]
        .iter()
        .all(|path| put.pointer(path).and_then(Value::as_str).is_some_and(|text| !text.is_empty()))
}

/// A form as SNS's query protocol has it.
fn is_publish(body: &[u8]) -> bool {
    let Ok(form) = std::str::from_utf8(body) else { return false };
    let has = |name: &str| {
        form.split('&').any(|pair| pair.split_once('=').is_some_and(|(key, value)| key == name && !value.is_empty()))
    };
    form.split('&').any(|pair| pair == "Action=Publish") && has("TopicArn") && has("Message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::time::Duration;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore};

    const PUT: &str = r#"{"TableName":"t","ConditionExpression":"attribute_not_exists(sid)","Item":{"sid":{"S":"a"},"record":{"S":"call"}}}"#;

    fn client(stub: &AwsStub) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(stub.authority_pem().as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connection =
            ClientConnection::new(Arc::new(config), ServerName::try_from(HOST).unwrap().to_owned()).unwrap();
        StreamOwned::new(connection, TcpStream::connect((Ipv4Addr::LOCALHOST, stub.port)).unwrap())
    }

    fn put(stream: &mut (impl Read + Write), authorization: &str) -> String {
        let length = PUT.len();
        let request = format!(
            "POST / HTTP/1.1\r\nX-Amz-Target: DynamoDB_20120810.PutItem\r\nAuthorization: {authorization}\r\nContent-Length: {length}\r\n\r\n{PUT}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    #[test]
    fn requests_on_one_connection_are_counted_and_its_handshake_once() {
        let service = Arc::new(ShapeOnly::default());
        let stub = AwsStub::start(service.clone()).unwrap();
        let mut stream = client(&stub);
        for _ in 0..3 {
            assert!(put(&mut stream, "AWS4-HMAC-SHA256 x").ends_with("{}"));
        }
        assert_eq!(stream.conn.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        let suite = stream.conn.negotiated_cipher_suite().unwrap().suite();
        assert_eq!(suite, CipherSuite::TLS13_AES_128_GCM_SHA256);
        assert_eq!((stub.handshakes(), stub.requests(), service.items(), stub.trouble()), (1, 3, 3, None));
    }

    #[test]
    fn a_ping_is_answered_to_anybody_and_is_no_request() {
        let stub = AwsStub::start(Arc::new(ShapeOnly::default())).unwrap();
        let mut stream = client(&stub);
        stream.write_all(b"GET /ping HTTP/1.1\r\n\r\n").unwrap();
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).unwrap();
        assert!(bytes[..count].starts_with(b"HTTP/1.1 200"));
        assert_eq!((stub.handshakes(), stub.requests(), stub.trouble()), (1, 0, None));
    }

    #[test]
    fn what_is_not_signed_is_refused_and_remembered() {
        let service = Arc::new(ShapeOnly::default());
        let stub = AwsStub::start(service.clone()).unwrap();
        assert!(put(&mut client(&stub), "").starts_with("HTTP/1.1 400"));
        assert_eq!((stub.requests(), service.items()), (1, 0));
        assert!(stub.trouble().unwrap().contains("unsigned"));
    }

    /// A `ClientHello` that offers nothing newer than TLS 1.2, by hand because no client of ours could send it.
    #[test]
    fn a_client_of_tls_1_2_finds_no_version_in_common() {
        let mut hello = vec![3, 3];
        hello.extend([7; 32]);
        // No session, ECDHE-ECDSA with AES-128-GCM, no compression.
        hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
        // The groups and signatures that a server asks for before it looks at the version.
        let extensions = [0, 10, 0, 4, 0, 2, 0, 23, 0, 13, 0, 4, 0, 2, 4, 3];
        hello.extend([0, 16]);
        hello.extend(extensions);
        let length = u8::try_from(hello.len()).unwrap();
        let record = [&[22, 3, 1, 0, length + 4, 1, 0, 0, length], hello.as_slice()].concat();

        let stub = AwsStub::start(Arc::new(ShapeOnly::default())).unwrap();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, stub.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(&record).unwrap();
        let mut alert = Vec::new();
        stream.read_to_end(&mut alert).unwrap();
        // A fatal alert: protocol_version.
        assert_eq!(alert[..1], [21]);
        assert_eq!(alert[5..], [2, 70]);
        assert_eq!(stub.handshakes(), 0);
    }

    #[test]
    fn a_shape_that_nobody_expects_is_not_counted_as_one_that_was() {
        let service = ShapeOnly::default();
        let request = |target: Option<&str>, body: &str| AwsRequest {
            target: target.map(str::to_owned),
            body: body.as_bytes().to_vec(),
        };
        let put = Some("DynamoDB_20120810.PutItem");
        assert_eq!(service.answer(&request(put, PUT)).status, 200);
        assert_eq!(service.answer(&request(None, "Action=Publish&TopicArn=arn&Message=m")).status, 200);
        assert_eq!(service.unexpected(), None);
        for (target, body) in [
            (put, r#"{"TableName":"t","Item":{"sid":{"S":"a"},"record":{"S":"call"}}}"#),
            (Some("DynamoDB_20120810.GetItem"), PUT),
            (None, "Action=Publish&TopicArn=arn&Message="),
            (None, "Action=ListTopics"),
        ] {
            assert_eq!(service.answer(&request(target, body)).status, 400, "{body}");
        }
        assert_eq!((service.items(), service.messages()), (1, 1));
        assert!(service.unexpected().unwrap().contains("TableName"));
    }
}
