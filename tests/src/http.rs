//! HTTP/1.1 over a socket, for client and server alike. Libraries refuse to send what these tests must be
//! able to send (any bytes at all), and hide what they must be able to break (the bytes of an answer).

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// A request or a response, byte for byte.
#[derive(Debug, Default)]
pub struct Message {
    /// Head and body as they came.
    pub bytes: Vec<u8>,
    head: usize,
}

impl Message {
    /// Reads one, and nothing beyond it: clients wait for each answer. `None` when the connection was closed.
    pub fn read(connection: &mut impl Read) -> io::Result<Option<Self>> {
        let mut message = Self::default();
        while !message.is_whole()? {
            let mut more = [0; 16 << 10];
            match connection.read(&mut more)? {
                0 if message.bytes.is_empty() => return Ok(None),
                0 if message.ends_with_its_connection() => return Ok(Some(message)),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => message.bytes.extend_from_slice(&more[..count]),
            }
        }
        Ok(Some(message))
    }

    fn is_whole(&mut self) -> io::Result<bool> {
        if self.head == 0 {
            let end = self.bytes.windows(4).position(|window| window == b"\r\n\r\n");
            let Some(end) = end else { return Ok(false) };
            self.head = end + 4;
        }
        if self.is_chunked() {
            return Ok(unchunked(&self.bytes[self.head..]).is_some());
        }
        if self.ends_with_its_connection() {
            return Ok(false);
        }
        let length: usize = self.header("content-length").unwrap_or("0").parse().map_err(io::Error::other)?;
        Ok(self.bytes.len() >= self.head + length)
    }

    /// Whether the body has neither a length nor chunks and is a response's (RFC 9112, section 6.3). Jetty
    /// answers so if the connection is to be closed and the body is long.
    fn ends_with_its_connection(&self) -> bool {
        self.word(0).starts_with("HTTP/")
            && !matches!(self.word(1), "204" | "304")
            && self.header("content-length").is_none()
            && !self.is_chunked()
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }

    /// The first line and the headers.
    pub fn head(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.head]).unwrap_or_default()
    }

    /// A word of the first line: of a request the method and the target, of a response the version and the
    /// status.
    pub fn word(&self, position: usize) -> &str {
        self.head().split_whitespace().nth(position).unwrap_or_default()
    }

    /// A header by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head().lines().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body, out of its chunks if it came in chunks.
    pub fn body(&self) -> Vec<u8> {
        let body = &self.bytes[self.head..];
        if self.is_chunked() { unchunked(body).unwrap_or_default() } else { body.to_vec() }
    }
}

/// `None` while the last chunk is missing.
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?.trim(), 16).ok()?;
        body.extend_from_slice(rest.get(end + 2..end + 2 + length)?);
        rest = rest.get(end + 2 + length + 2..)?;
        if length == 0 {
            return Some(body);
        }
    }
}

/// A response in one piece, so that it leaves in one packet.
pub fn response(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let reason = if status < 400 { "OK" } else { "Error" };
    let length = body.len();
    let head = format!("HTTP/1.1 {status} {reason}\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Serves each connection in its own thread. It stops listening when it is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on a free port of the loopback interface.
    pub fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> io::Result<Self> {
        Self::on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, serve)
    }

    /// The same on a socket of the caller's.
    pub fn on(listener: TcpListener, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let closing = Arc::new(AtomicBool::new(false));
        let (is_closing, serve) = (Arc::clone(&closing), Arc::new(serve));
        let thread = thread::spawn(move || {
            for connection in listener.incoming() {
                if is_closing.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(connection) = connection else { continue };
                // An answer of two small packets must not wait for the acknowledgement of the first.
                let _ = connection.set_nodelay(true);
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(connection));
            }
        });
        Ok(Self { address, closing, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The header lines, lower-cased.
    pub headers: String,
    /// The body as text.
    pub body: String,
}

impl Response {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

/// Sends one request and reads the answer to its end.
pub fn send(address: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let answer = exchange(address, method, target, headers, body.as_bytes(), PATIENCE);
    answer.unwrap_or_else(|error| panic!("{method} {target} at {address}: {error}"))
}

/// The same, with any bytes and where an answer may fail to come.
pub fn exchange(
    address: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    patience: Duration,
) -> io::Result<Response> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(patience))?;
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}\
         content-length: {length}\r\n\r\n"
    );
    connection.write_all(&[head.as_bytes(), body].concat())?;
    let answer = Message::read(&mut connection)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(Response {
        status: answer.word(1).parse().map_err(io::Error::other)?,
        headers: answer.head().to_ascii_lowercase(),
        body: String::from_utf8_lossy(&answer.body()).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &str) -> io::Result<Option<Message>> {
        Message::read(&mut bytes.as_bytes())
    }

    #[test]
    fn an_answer_without_a_length_ends_with_its_connection_and_a_request_with_its_head() {
        let answer = read("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"all\": true}").unwrap().unwrap();
        assert_eq!(answer.body(), b"{\"all\": true}");
        assert_eq!(read("GET / HTTP/1.1\r\n\r\n").unwrap().unwrap().body(), b"");
        assert!(read("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"all\"").is_err(), "a part of an answer");
    }
}
