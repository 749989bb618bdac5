//! A proxy between the functions and AWS that does to requests what networks and AWS do on a bad day.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use crate::http::{Message, Server, response};

/// Longer than any client waits, so that every thread ends.
const PATIENCE: Duration = Duration::from_secs(30);
const TURN: Duration = Duration::from_millis(100);

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Refuses connections and cuts the open ones off.
    Refuses,
    /// AWS's own answers to too many requests.
    Throttles,
    /// AWS's own answers when something is wrong on its side.
    Answers500,
    /// The request is accepted and never answered.
    Hangs,
    /// The request is carried out, and the connection ends in the middle of the answer.
    ResetsInMidAnswer,
    /// Everything fails and everything works, in turns of 100 ms.
    Flaps,
}

/// Whose errors it answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// JSON, the type in `__type`.
    DynamoDb,
    /// The query protocol's XML, the type in `Code`.
    Sns,
}

/// A running proxy. It keeps its port through all faults.
pub struct FaultProxy {
    address: SocketAddr,
    state: Arc<State>,
    listening: Mutex<Option<Server>>,
    // Holds the port while the proxy refuses connections, so that no other program can get it.
    _port: Socket,
}

struct State {
    service: Service,
    upstream: String,
    fault: Mutex<(Fault, Instant)>,
    operation: Mutex<Option<&'static str>>,
    struck: AtomicU64,
    overheard: Mutex<Option<Vec<String>>>,
}

impl FaultProxy {
    /// A proxy in front of an address, without a fault.
    pub fn start(service: Service, upstream: &str) -> Self {
        let port = socket(SocketAddr::from(([127, 0, 0, 1], 0)));
        let address = port.local_addr().unwrap().as_socket().unwrap();
        let fault = Mutex::new((Fault::None, Instant::now()));
        let state = Arc::new(State {
            service,
            upstream: upstream.to_owned(),
            fault,
            operation: Mutex::default(),
            struck: AtomicU64::new(0),
            overheard: Mutex::new(None),
        });
        let proxy = Self { address, state, listening: Mutex::new(None), _port: port };
        proxy.open();
        proxy
    }

    /// Where to send requests.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on every request is kept as it came.
    pub fn overhear(&self) {
        self.state.overheard.lock().unwrap().get_or_insert_default();
    }

    /// The requests that were kept since the last time.
    pub fn overheard(&self) -> Vec<String> {
        self.state.overheard.lock().unwrap().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// From now on this goes wrong.
    pub fn set(&self, fault: Fault) {
        *self.state.operation.lock().unwrap() = None;
        *self.state.fault.lock().unwrap() = (fault, Instant::now());
        if fault == Fault::Refuses { self.close() } else { self.open() }
    }

    /// From now on this goes wrong with one operation of DynamoDB's. Connections are not refused.
    pub fn set_for(&self, fault: Fault, operation: &'static str) {
        self.set(fault);
        *self.state.operation.lock().unwrap() = Some(operation);
    }

    /// How many requests and connections a fault has struck, without the connections that were refused.
    pub fn struck(&self) -> u64 {
        self.state.struck.load(Ordering::Relaxed)
    }

    fn open(&self) {
        self.listening.lock().unwrap().get_or_insert_with(|| {
            let socket = socket(self.address);
            socket.listen(1024).unwrap();
            let state = Arc::clone(&self.state);
            Server::on(TcpListener::from(socket), move |connection| state.serve(connection)).unwrap()
        });
    }

    fn close(&self) {
        *self.listening.lock().unwrap() = None;
    }
}

fn socket(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&address.into()).unwrap();
    socket
}

impl State {
    fn fault(&self) -> Fault {
        let (fault, since) = *self.fault.lock().unwrap();
        match fault {
            Fault::Flaps if (since.elapsed().as_millis() / TURN.as_millis()).is_multiple_of(2) => {
                Fault::Refuses
            }
            Fault::Flaps => Fault::None,
            other => other,
        }
    }

    fn serve(&self, mut connection: TcpStream) {
        loop {
            // A new connection is struck before its request, an old one with it.
            if self.fault() == Fault::Refuses {
                return self.reset(connection);
            }
            let Some(request) = read_message(&mut connection) else { return };
            if let Some(overheard) = self.overheard.lock().unwrap().as_mut() {
                overheard.push(String::from_utf8_lossy(&request).into_owned());
            }
            let fault = if self.spares(&request) { Fault::None } else { self.fault() };
            let number = if fault == Fault::None { 0 } else { self.struck.fetch_add(1, Ordering::Relaxed) };
            let answer = match fault {
                Fault::None => self.forward(&request),
                Fault::Throttles => Some(self.throttling(number)),
                Fault::Answers500 => Some(self.failing(number)),
                Fault::Hangs => return self.hang(connection),
                Fault::ResetsInMidAnswer => {
                    if let Some(answer) = self.forward(&request) {
                        // In the middle of the head, or with a whole head and one byte less than it promises.
                        let sent = if number.is_multiple_of(2) { answer.len() / 2 } else { answer.len() - 1 };
                        let _ = connection.write_all(&answer[..sent]);
                        std::thread::sleep(Duration::from_millis(3));
                    }
                    return reset(connection);
                }
                Fault::Refuses | Fault::Flaps => return reset(connection),
            };
            match answer {
                Some(answer) if connection.write_all(&answer).is_ok() => {}
                _ => return,
            }
        }
    }

    /// Whether the fault is one of another operation.
    fn spares(&self, request: &[u8]) -> bool {
        let operation = *self.operation.lock().unwrap();
        operation.is_some_and(|name| {
            let target = format!("DynamoDB_20120810.{name}\r\n");
            !request.windows(target.len()).any(|window| window == target.as_bytes())
        })
    }

    fn reset(&self, connection: TcpStream) {
        self.struck.fetch_add(1, Ordering::Relaxed);
        reset(connection);
    }

    /// Until the client gives up or the fault is over.
    fn hang(&self, mut connection: TcpStream) {
        let _ = connection.set_read_timeout(Some(TURN));
        let began = Instant::now();
        while began.elapsed() < PATIENCE && self.fault() == Fault::Hangs {
            match connection.read(&mut [0; 64]) {
                Ok(0) => return,
                Err(error) if !is_timeout(&error) => return,
                _ => {}
            }
        }
    }

    fn forward(&self, request: &[u8]) -> Option<Vec<u8>> {
        let mut upstream = TcpStream::connect(&self.upstream).ok()?;
        let _ = upstream.set_nodelay(true);
        upstream.write_all(request).ok()?;
        let answer = read_message(&mut upstream);
        let _ = upstream.shutdown(Shutdown::Both);
        answer
    }

    /// AWS's two ways to say that there are too many requests, in turns.
    fn throttling(&self, number: u64) -> Vec<u8> {
        match (self.service, number.is_multiple_of(2)) {
            (Service::DynamoDb, true) => dynamodb_error(
                400,
                "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
                "The level of configured provisioned throughput for the table was exceeded. \
                 Consider increasing your provisioning level with the UpdateTable API.",
            ),
            (Service::DynamoDb, false) => dynamodb_error(
                400,
                "com.amazonaws.dynamodb.v20120810#ThrottlingException",
                "Throughput exceeds the current capacity of your table or index.",
            ),
            (Service::Sns, true) => sns_error(400, "Sender", "Throttling", "Rate exceeded"),
            (Service::Sns, false) => sns_error(429, "Sender", "Throttled", "Rate exceeded"),
        }
    }

    /// AWS's own error and that of a load balancer before it, in turns.
    fn failing(&self, number: u64) -> Vec<u8> {
        match (self.service, number.is_multiple_of(2)) {
            (Service::DynamoDb, true) => dynamodb_error(
                500,
                "com.amazonaws.dynamodb.v20120810#InternalServerError",
                "Internal server error",
            ),
            (Service::Sns, true) => sns_error(500, "Receiver", "InternalError", "Internal error"),
            (_, false) => error(500, "text/html", "<html><body>500</body></html>"),
        }
    }
}

fn dynamodb_error(status: u16, kind: &str, message: &str) -> Vec<u8> {
    let body = serde_json::json!({ "__type": kind, "message": message }).to_string();
    error(status, "application/x-amz-json-1.0", &body)
}

fn sns_error(status: u16, side: &str, code: &str, message: &str) -> Vec<u8> {
    let body = format!(
        "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\n  \
         <Error>\n    <Type>{side}</Type>\n    <Code>{code}</Code>\n    \
         <Message>{message}</Message>\n  </Error>\n  \
         <RequestId>2f7a1b1e-0000-5000-8000-000000000000</RequestId>\n</ErrorResponse>\n"
    );
    error(status, "text/xml", &body)
}

fn error(status: u16, content_type: &str, body: &str) -> Vec<u8> {
    let request_id = ("x-amzn-requestid", "2f7a1b1e-0000-5000-8000-000000000000");
    response(status, &[request_id, ("content-type", content_type)], body.as_bytes())
}

/// Ends a connection with RST instead of FIN.
fn reset(connection: TcpStream) {
    let _ = SockRef::from(&connection).set_linger(Some(Duration::ZERO));
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// One request or response as it stands; `None` at the connection's end.
fn read_message(connection: &mut TcpStream) -> Option<Vec<u8>> {
    connection.set_read_timeout(Some(PATIENCE)).ok()?;
    Some(Message::read(connection).ok()??.bytes)
}
