//! What stands in for API Gateway and the Lambda service, on one port of the loopback interface.
//!
//! * The template's routes: an HTTP request becomes an API Gateway event for a function.
//! * `/2015-03-31/functions/NAME/invocations`, which `cargo lambda invoke` calls.
//! * `/.rt/NAME/2018-06-01/runtime/...`: the Runtime API, over which the functions fetch events.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use ringback_tests::control_plane::{next_event, request_id};
use ringback_tests::gateway::{Request, http_response};
use ringback_tests::http::{Message, Server, response};
use serde_json::{Value, json};

use crate::emulator::{ACCOUNT, CREDENTIAL};
use crate::error::StackError;
use crate::processes::lock;
use crate::signature;
use crate::template::{Function, Route};

/// Longer than any function's time-out.
const TO_ANSWER: Duration = Duration::from_secs(90);
const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

#[derive(Debug)]
pub(crate) struct Gateway {
    port: u16,
    routes: Vec<(Route, String)>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    /// Events that no instance has fetched yet, by function.
    waiting: HashMap<String, VecDeque<Invocation>>,
    /// Who waits for the reply to each event.
    pending: HashMap<String, Sender<Reply>>,
    /// How often each function's instances have asked for an event.
    asked: HashMap<String, usize>,
}

#[derive(Debug)]
struct Invocation {
    id: String,
    event: Vec<u8>,
}

/// What a function made of an event.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Response(Vec<u8>),
    Failed(Vec<u8>),
}

impl Gateway {
    pub(crate) fn new(port: u16, functions: &[Function]) -> Arc<Self> {
        let routes = functions
            .iter()
            .flat_map(|function| function.routes.iter().map(|route| (route.clone(), function.name.clone())));
        Arc::new(Self { port, routes: routes.collect(), state: Mutex::default(), changed: Condvar::new() })
    }

    /// Serves on 127.0.0.1, and on `::1`, which `cargo lambda invoke` calls unless told otherwise.
    pub(crate) fn serve(self: &Arc<Self>) -> Result<(Server, Option<Server>), StackError> {
        let serve = |listener: TcpListener| {
            let own = Arc::clone(self);
            // A connection that breaks off is that of a client or a function that ended.
            Server::on(listener, move |connection| drop(own.connection(connection)))
        };
        let ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, self.port)).and_then(serve);
        Ok((serve(TcpListener::bind((Ipv4Addr::LOCALHOST, self.port))?)?, ipv6.ok()))
    }

    /// Where a function fetches its events. With a path in it, it must be a whole URL.
    pub(crate) fn runtime_api(&self, function: &str) -> String {
        format!("http://127.0.0.1:{}/.rt/{function}", self.port)
    }

    /// How often a function's instances have asked for an event.
    pub(crate) fn asked(&self, function: &str) -> usize {
        lock(&self.state).asked.get(function).copied().unwrap_or_default()
    }

    /// Whether a path leads to a function.
    pub(crate) fn leads(&self, method: &str, path: &str, function: &str) -> bool {
        self.routes.iter().any(|(route, name)| name == function && route.leads(method, path))
    }

    /// Hands a function an event, and waits for its reply.
    pub(crate) fn invoke(&self, function: &str, event: Vec<u8>) -> Reply {
        let (sender, receiver) = channel();
        let id = {
            let mut state = lock(&self.state);
            state.last += 1;
            let id = request_id(state.last);
            state.pending.insert(id.clone(), sender);
            let invocation = Invocation { id: id.clone(), event };
            state.waiting.entry(function.to_owned()).or_default().push_back(invocation);
            id
        };
        self.changed.notify_all();
        receiver.recv_timeout(TO_ANSWER).unwrap_or_else(|_| {
            let mut state = lock(&self.state);
            state.pending.remove(&id);
            state.waiting.values_mut().for_each(|waiting| waiting.retain(|each| each.id != id));
            Reply::Failed(error("Timeout", "the function did not answer"))
        })
    }

    fn connection(&self, mut connection: TcpStream) -> io::Result<()> {
        let mut fetched = None;
        let served = self.requests(&mut connection, &mut fetched);
        // On AWS, too, the event of an instance that ended is answered at once.
        if let Some(id) = fetched {
            self.reply(&id, Reply::Failed(error("Runtime.ExitError", "the function ended")));
        }
        served
    }

    fn requests(&self, connection: &mut TcpStream, fetched: &mut Option<String>) -> io::Result<()> {
        while let Some(request) = Message::read(connection)? {
            let target = request.word(1).to_owned();
            let answer = if let Some(path) = target.strip_prefix("/.rt/") {
                self.runtime(path, &request, connection, fetched)
            } else if let Some(path) = target.strip_prefix("/2015-03-31/functions/") {
                self.invocation(path, &request)
            } else {
                self.route(&Request::read(&request))
            };
            connection.write_all(&answer)?;
        }
        Ok(())
    }

    /// The Runtime API.
    fn runtime(
        &self,
        path: &str,
        request: &Message,
        connection: &TcpStream,
        fetched: &mut Option<String>,
    ) -> Vec<u8> {
        let (function, path) = path.split_once("/2018-06-01/runtime/").unwrap_or_default();
        if path == "invocation/next" {
            let Some(invocation) = self.next(function, connection) else { return Vec::new() };
            let event = next_event(&invocation.id, &invocation.event);
            *fetched = Some(invocation.id);
            return event;
        }
        if let Some((id, what)) = path.strip_prefix("invocation/").and_then(|path| path.split_once('/')) {
            let body = request.body();
            self.reply(id, if what == "response" { Reply::Response(body) } else { Reply::Failed(body) });
            *fetched = None;
        }
        response(202, &JSON, b"{}")
    }

    /// The next event of a function, as soon as there is one, unless the instance has ended meanwhile.
    fn next(&self, function: &str, connection: &TcpStream) -> Option<Invocation> {
        let mut state = lock(&self.state);
        *state.asked.entry(function.to_owned()).or_default() += 1;
        loop {
            if let Some(invocation) = state.waiting.get_mut(function).and_then(VecDeque::pop_front) {
                if is_open(connection) {
                    return Some(invocation);
                }
                state.waiting.entry(function.to_owned()).or_default().push_front(invocation);
                self.changed.notify_all();
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn reply(&self, id: &str, reply: Reply) {
        if let Some(sender) = lock(&self.state).pending.remove(id) {
            // Without a receiver the caller has given up.
            let _ = sender.send(reply);
        }
    }

    /// Lambda's API for invocations. A failure is a 500, which `cargo lambda invoke` shows as one.
    fn invocation(&self, path: &str, request: &Message) -> Vec<u8> {
        let function = path.strip_suffix("/invocations").unwrap_or_default();
        if self.asked(function) == 0 {
            return response(404, &JSON, &error("ResourceNotFoundException", "there is no such function"));
        }
        match self.invoke(function, request.body()) {
            Reply::Response(body) => response(200, &JSON, &body),
            Reply::Failed(body) => response(500, &JSON, &body),
        }
    }

    /// The API in front of the functions.
    fn route(&self, request: &Request) -> Vec<u8> {
        let leads = |route: &Route| route.leads(&request.method, &request.path);
        let Some((route, function)) = self.routes.iter().find(|(route, _)| leads(route)) else {
            return refusal(404, "Not Found");
        };
        let Some(caller) = authorizer(route, request) else { return refusal(403, "Forbidden") };
        match self.invoke(function, request.event(&caller).to_string().into_bytes()) {
            Reply::Response(body) => http_response(&serde_json::from_slice(&body).unwrap_or_default()),
            Reply::Failed(_) => refusal(500, "Internal Server Error"),
        }
    }
}

/// Whether the other side still waits. What it sends now would come too early, and shows that it is there.
fn is_open(connection: &TcpStream) -> bool {
    let seen = connection.set_nonblocking(true).and_then(|()| connection.peek(&mut [0]));
    let waits = match seen {
        Ok(count) => count > 0,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    };
    connection.set_nonblocking(false).is_ok() && waits
}

/// Who sends a request, as API Gateway tells the function.
fn authorizer(route: &Route, request: &Request) -> Option<Value> {
    if !route.iam {
        return Some(Value::Null);
    }
    signature::is_valid(request).then(|| {
        json!({ "iam": {
            "accessKey": CREDENTIAL,
            "accountId": ACCOUNT,
            "callerId": CREDENTIAL,
            "cognitoIdentity": null,
            "principalOrgId": null,
            "userArn": format!("arn:aws:iam::{ACCOUNT}:user/{CREDENTIAL}"),
            "userId": CREDENTIAL,
        }})
    })
}

/// What API Gateway itself says.
fn refusal(status: u16, message: &str) -> Vec<u8> {
    response(status, &JSON, json!({ "message": message }).to_string().as_bytes())
}

fn error(kind: &str, message: &str) -> Vec<u8> {
    json!({ "errorType": kind, "errorMessage": message }).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use std::thread::{sleep, spawn};
    use std::time::Instant;

    use ringback_tests::http::exchange;

    use super::*;

    const NEXT: &[u8] = b"GET /.rt/echo/2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n";

    /// A running gateway with one function, and its address.
    fn gateway() -> (Arc<Gateway>, (Server, Option<Server>), String) {
        let port = crate::processes::free_port().unwrap();
        let route = Route { method: Route::ANY.into(), path: "/echo/{word}".into(), iam: false };
        let signed = Route { method: "get".into(), path: "/signed".into(), iam: true };
        let function = Function {
            name: "echo".into(),
            routes: vec![route, signed],
            memory: "128".into(),
            environment: Default::default(),
            queues: Vec::new(),
            streams: Vec::new(),
        };
        let gateway = Gateway::new(port, &[function]);
        let servers = gateway.serve().unwrap();
        (gateway, servers, format!("127.0.0.1:{port}"))
    }

    /// An instance that asks for an event.
    fn instance(gateway: &Gateway, address: &str) -> TcpStream {
        let (before, mut connection) = (gateway.asked("echo"), TcpStream::connect(address).unwrap());
        connection.write_all(NEXT).unwrap();
        while gateway.asked("echo") == before {
            sleep(Duration::from_millis(1));
        }
        connection
    }

    /// Answers an event with what is in it.
    fn echo(mut connection: TcpStream, answer: impl Fn(&Value) -> Value) {
        let event = Message::read(&mut connection).unwrap().unwrap();
        let id = event.header("lambda-runtime-aws-request-id").unwrap();
        let body = answer(&serde_json::from_slice(&event.body()).unwrap()).to_string();
        let path = format!("/.rt/echo/2018-06-01/runtime/invocation/{id}/response");
        let head = format!("POST {path} HTTP/1.1\r\ncontent-length: {}\r\n\r\n", body.len());
        connection.write_all(format!("{head}{body}").as_bytes()).unwrap();
        Message::read(&mut connection).unwrap();
    }

    #[test]
    fn a_request_reaches_the_function_of_its_route_and_an_invocation_the_one_it_names() {
        let (gateway, _servers, address) = gateway();
        let ask = |method, target, body: &[u8]| {
            let answer = exchange(&address, method, target, &[], body, Duration::from_secs(5)).unwrap();
            (answer.status, answer.body)
        };
        let connection = instance(&gateway, &address);
        spawn(move || echo(connection, |event| json!({ "statusCode": 201, "body": event["rawPath"] })));
        assert_eq!(ask("PUT", "/echo/a?b", b""), (201, "/echo/a".to_owned()));

        let connection = instance(&gateway, &address);
        spawn(move || echo(connection, Value::clone));
        let target = "/2015-03-31/functions/echo/invocations";
        assert_eq!(ask("POST", target, b"{\"a\":1}"), (200, "{\"a\":1}".to_owned()));

        assert_eq!(ask("GET", "/echo", b""), (404, r#"{"message":"Not Found"}"#.to_owned()));
        assert_eq!(ask("GET", "/signed", b""), (403, r#"{"message":"Forbidden"}"#.to_owned()));
        assert_eq!(ask("POST", "/2015-03-31/functions/none/invocations", b"{}").0, 404);
    }

    #[test]
    fn an_instance_that_ended_loses_no_event_that_it_had_not_fetched_and_fails_one_that_it_had() {
        let (gateway, _servers, address) = gateway();
        drop(instance(&gateway, &address));
        let next = instance(&gateway, &address);
        spawn(move || echo(next, Value::clone));
        assert!(matches!(gateway.invoke("echo", b"1".to_vec()), Reply::Response(body) if body == b"1"));

        let mut killed = instance(&gateway, &address);
        spawn(move || drop(Message::read(&mut killed)));
        let asked = Instant::now();
        assert!(matches!(gateway.invoke("echo", b"2".to_vec()), Reply::Failed(_)));
        assert!(asked.elapsed() < Duration::from_secs(5));
    }
}
