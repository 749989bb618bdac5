//! As much of HTTP/1.1 as the functions' clients speak: requests with a `Content-Length`, one after the other on a connection that stays open.

use std::io::{self, Read, Write};

const MOST_HEADERS: usize = 64;
const MOST_BYTES: usize = 32 << 20;

/// A request as it came.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A header by its name, whatever its case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Reads requests off a connection.
pub(crate) struct Requests {
    unread: Vec<u8>,
}

impl Requests {
    pub(crate) fn new() -> Self {
        Self { unread: Vec::with_capacity(16 << 10) }
    }

    /// The next request, or `None` when the other side is done.
    pub(crate) fn next(&mut self, connection: &mut (impl Read + Write)) -> io::Result<Option<Request>> {
        let (mut request, head) = loop {
            if let Some(parsed) = parse(&self.unread)? {
                break parsed;
            }
            if !self.read_more(connection)? {
                return if self.unread.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        };
        self.unread.drain(..head);
        if request.header("transfer-encoding").is_some() {
            return Err(invalid("a body in chunks"));
        }
        let length = match request.header("content-length") {
            Some(length) => length.parse().map_err(|_| invalid("a Content-Length that is no number"))?,
            None => 0,
        };
        if length > MOST_BYTES {
            return Err(invalid("a body too long"));
        }
        if self.unread.len() < length && request.header("expect").is_some() {
            connection.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        while self.unread.len() < length {
            if !self.read_more(connection)? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let rest = self.unread.split_off(length);
        request.body = std::mem::replace(&mut self.unread, rest);
        Ok(Some(request))
    }

    fn read_more(&mut self, connection: &mut impl Read) -> io::Result<bool> {
        let mut more = [0; 16 << 10];
        let count = connection.read(&mut more)?;
        self.unread.extend(more.iter().take(count));
        Ok(count > 0)
    }
}

/// A request without its body, and how many bytes that was; `None` when it is not all there.
fn parse(bytes: &[u8]) -> io::Result<Option<(Request, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let head = match parsed.parse(bytes).map_err(|error| invalid(&error.to_string()))? {
        httparse::Status::Complete(head) => head,
        httparse::Status::Partial if bytes.len() > MOST_BYTES => return Err(invalid("headers too long")),
        httparse::Status::Partial => return Ok(None),
    };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let request = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: parsed.path.unwrap_or_default().to_owned(),
        headers: parsed.headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect(),
        body: Vec::new(),
    };
    Ok(Some((request, head)))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A response in one piece, so that it leaves in one packet.
pub(crate) fn response(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let reason = if status < 300 { "OK" } else { "Error" };
    let mut bytes = format!("HTTP/1.1 {status} {reason}\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend(format!("{name}: {value}\r\n").into_bytes());
    }
    bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
    bytes.extend(body);
    bytes
}
