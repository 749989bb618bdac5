//! An API Gateway of a few lines: HTTP requests become events of an HTTP API (payload format 2.0), and what
//! the function returns becomes an HTTP response. Who may ask is the authorizer's business: a test lets
//! everybody in, the local stack checks signatures.
//!
//! Like the gateway, it percent-decodes the path, and cuts it off at a `?` that appears then. (Function URLs
//! leave a path as it was sent.)

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::control_plane::Function;
use crate::http::{Message, Server, response};

/// A request as it was sent.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// Still percent-encoded.
    pub path: String,
    pub query: String,
    /// Names in lower case, in the order of arrival.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn read(message: &Message) -> Self {
        let target = message.word(1);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let fields = message.head().lines().skip(1).filter_map(|line| line.split_once(':'));
        Self {
            method: message.word(0).to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: fields
                .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
            body: message.body(),
        }
    }

    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The event for the function. `authorizer` is what API Gateway says of who asks, such as
    /// `{"iam": {…}}` or `{"jwt": {"claims": {…}}}`; null if the route has no authorizer.
    pub fn event(&self, authorizer: &Value) -> Value {
        let decoded = percent_decode_str(&self.path).decode_utf8_lossy();
        let path = decoded.split('?').next().unwrap_or_default();
        let mut headers = Map::new();
        for (name, value) in &self.headers {
            match headers.get_mut(name) {
                Some(Value::String(values)) => *values += &format!(",{value}"),
                _ => drop(headers.insert(name.clone(), json!(value))),
            }
        }
        // Text is passed on as text, everything else in Base64.
        let kind = self.header("content-type").unwrap_or("text/plain");
        let is_text = ["text/", "application/json", "application/xml", "application/javascript"]
            .iter()
            .any(|text| kind.starts_with(text));
        let body = match std::str::from_utf8(&self.body) {
            Ok("") => Value::Null,
            Ok(text) if is_text => json!(text),
            _ => json!(STANDARD.encode(&self.body)),
        };
        let is_base64 = body.is_string() && !(is_text && std::str::from_utf8(&self.body).is_ok());
        let route = "ANY /{proxy+}";
        json!({
            "version": "2.0", "routeKey": route, "rawPath": path, "rawQueryString": self.query,
            "headers": headers, "body": body, "isBase64Encoded": is_base64,
            "requestContext": {
                "accountId": "000000000000", "stage": "$default", "routeKey": route, "authorizer": authorizer,
                "http": {
                    "method": self.method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
                },
            },
        })
    }
}

/// The HTTP response that a function's answer asks for.
pub fn http_response(answer: &Value) -> Vec<u8> {
    let status = answer["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(502);
    let headers: Vec<(&str, &str)> = answer["headers"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .collect();
    let text = answer["body"].as_str().unwrap_or_default();
    let body = if answer["isBase64Encoded"] == true { STANDARD.decode(text).ok() } else { None };
    response(status, &headers, &body.unwrap_or_else(|| text.as_bytes().to_vec()))
}

/// Says who sends a request, as API Gateway puts it into `requestContext.authorizer`, or refuses the
/// request with a status.
pub trait Authorizer: Fn(&Request) -> Result<Value, u16> + Send + Sync + 'static {}

impl<F: Fn(&Request) -> Result<Value, u16> + Send + Sync + 'static> Authorizer for F {}

/// Serves a function over HTTP, one request after the other, as one environment on AWS does.
pub fn serve(listener: TcpListener, function: Function, authorizer: impl Authorizer) -> io::Result<Server> {
    let function = Mutex::new(function);
    let invoke = move |request: &Request| match authorizer(request) {
        Ok(caller) => http_response(&function.lock().unwrap().invoke(&request.event(&caller).to_string()).0),
        Err(status) => {
            response(status, &[("content-type", "application/json")], b"{\"message\":\"Forbidden\"}")
        }
    };
    // A connection that breaks off is its client's affair.
    Server::on(listener, move |connection| drop(answer_all(connection, &invoke)))
}

fn answer_all(mut connection: TcpStream, invoke: &impl Fn(&Request) -> Vec<u8>) -> io::Result<()> {
    while let Some(message) = Message::read(&mut connection)? {
        connection.write_all(&invoke(&Request::read(&message)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(bytes: &str) -> Request {
        Request::read(&Message::read(&mut bytes.as_bytes()).unwrap().unwrap())
    }

    #[test]
    fn a_request_becomes_the_event_that_api_gateway_makes_of_it() {
        let sent = request(
            "PUT /users/a%20service/b%2541?x=%20y HTTP/1.1\r\nContent-Type: application/json\r\n\
             X-Twice: 1\r\nx-twice: 2\r\ncontent-length: 2\r\n\r\n{}",
        );
        let event = sent.event(&json!({ "iam": { "accessKey": "local" } }));
        assert_eq!(event["rawPath"], "/users/a service/b%41");
        assert_eq!(event["rawQueryString"], "x=%20y");
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("{}"), &json!(false)));
        assert_eq!(event["headers"]["x-twice"], "1,2");
        assert_eq!(event["requestContext"]["http"]["method"], "PUT");
        assert_eq!(event["requestContext"]["authorizer"]["iam"]["accessKey"], "local");
    }

    #[test]
    fn a_body_that_is_not_text_travels_in_base64() {
        let event = request("PUT / HTTP/1.1\r\ncontent-type: image/png\r\ncontent-length: 2\r\n\r\n{}")
            .event(&Value::Null);
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("e30="), &json!(true)));
        let event = request("GET /devices/a%3Fb HTTP/1.1\r\n\r\n").event(&Value::Null);
        assert_eq!((&event["body"], &event["rawPath"]), (&Value::Null, &json!("/devices/a")));
    }

    #[test]
    fn an_answer_becomes_a_response() {
        let answer = json!({ "statusCode": 204, "headers": { "cache-control": "no-store" }, "body": "" });
        let said = String::from_utf8(http_response(&answer)).unwrap();
        assert!(said.starts_with("HTTP/1.1 204 OK\r\ncache-control: no-store\r\n"), "{said}");
    }
}
