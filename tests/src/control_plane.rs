//! A Lambda control plane of a few lines: it starts one function with an environment of the caller's choice
//! and hands it events over a Runtime API.
//!
//! Benchmarks use it too, so it must add almost nothing to the time between event and answer. The thread
//! that hands over an event writes it to the waiting connection itself, and the connection's thread takes the
//! time as soon as it has read the answer.

use std::io::{self, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{Message, Server, response};
use crate::stack::built;

/// X-Ray's id of every event.
pub const TRACE_ID: &str = "1-5759e988-bd862e3fe1be46a994272793";
const TRACE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0";
const FUNCTION_ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:ringback";
/// In the year 2286.
const DEADLINE_MS: &str = "9999999999999";
const PATIENCE: Duration = Duration::from_secs(30);

/// A function's reply to an event.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Its response, and how long after the event.
    Response(Value, Duration),
    /// It reported an error of the invocation; Lambda would answer 500.
    Failed(String),
    /// Nothing yet.
    Nothing,
}

/// A function's process with its own Runtime API.
#[derive(Debug)]
pub struct Function {
    process: Child,
    /// Just before its process was made.
    pub spawned_at: Instant,
    runtime_api: Arc<RuntimeApi>,
    _server: Server,
}

#[derive(Debug, Default)]
struct RuntimeApi {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    first_asked: Option<Instant>,
    /// The connection that waits for an event.
    waiting: Option<TcpStream>,
    handed_over: u64,
    answer: Option<Answer>,
}

#[derive(Debug)]
struct Answer {
    path: String,
    body: Vec<u8>,
    at: Instant,
}

impl Drop for Function {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Function {
    /// Starts a built function with these variables and no others.
    pub fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_saying(name, variables, Stdio::null(), Stdio::null())
    }

    /// The same with its standard output and error going somewhere.
    pub fn start_saying(name: &str, variables: &[(&str, &str)], output: Stdio, error: Stdio) -> Self {
        let mut command = command(name, variables);
        command.stdout(output).stderr(error);
        Self::spawn(command, |command| Ok((Instant::now(), command.spawn()?))).unwrap()
    }

    /// Starts any program as a function. `spawn` makes the process and says when it did.
    pub fn spawn(
        mut command: Command,
        spawn: impl FnOnce(&mut Command) -> io::Result<(Instant, Child)>,
    ) -> io::Result<Self> {
        let runtime_api = Arc::new(RuntimeApi::default());
        let api = Arc::clone(&runtime_api);
        // A connection that breaks off is that of a function that was killed.
        let server = Server::start(move |connection| drop(api.serve(connection)))?;
        let (spawned_at, process) = spawn(command.env("AWS_LAMBDA_RUNTIME_API", server.address.to_string()))?;
        Ok(Self { process, spawned_at, runtime_api, _server: server })
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Hands the function one event and waits for its response. Returns also the time between the two.
    pub fn invoke(&self, event: &str) -> (Value, Duration) {
        let handed = self.hand_over(event);
        match self.reply(handed, PATIENCE) {
            Reply::Response(response, took) => (response, took),
            Reply::Failed(report) => panic!("the function reported {report}"),
            Reply::Nothing => panic!("the function did not answer"),
        }
    }

    /// When the function asked for its first event, which is the end of INIT.
    pub fn first_asked(&self) -> Option<Instant> {
        self.runtime_api.wait_for(PATIENCE, |state| state.first_asked)
    }

    /// Waits until the function asks for an event, and says whether it did.
    pub fn wait_until_it_asks(&self) -> bool {
        self.runtime_api.wait_for(PATIENCE, |state| state.waiting.as_ref().map(drop)).is_some()
    }

    /// Hands the function one event as soon as it asks for one, and returns the time.
    pub fn hand_over(&self, event: &str) -> Instant {
        let asked = self.runtime_api.wait_for(PATIENCE, |state| {
            state.handed_over += u64::from(state.waiting.is_some());
            state.answer = None;
            Some((state.waiting.take()?, request_id(state.handed_over)))
        });
        let (mut connection, id) = asked.expect("the function did not ask for an event");
        let event = next_event(&id, event.as_bytes());
        let handed = Instant::now();
        // A function that was killed meanwhile will not answer, which shows.
        let _ = connection.write_all(&event);
        handed
    }

    /// Waits this long for the function's reply to the last event.
    pub fn reply(&self, handed: Instant, wait: Duration) -> Reply {
        let Some(answer) = self.runtime_api.wait_for(wait, |state| state.answer.take()) else {
            return Reply::Nothing;
        };
        match serde_json::from_slice(&answer.body) {
            Ok(response) if answer.path.ends_with("/response") => {
                Reply::Response(response, answer.at.duration_since(handed))
            }
            _ => Reply::Failed(format!("{}: {}", answer.path, String::from_utf8_lossy(&answer.body))),
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Sends SIGKILL, whatever the function is doing.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl RuntimeApi {
    fn wait_for<T>(&self, wait: Duration, mut find: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let mut found = None;
        let state = self.state.lock().unwrap();
        let is_missing = |state: &mut State| {
            found = find(state);
            found.is_none()
        };
        drop(self.changed.wait_timeout_while(state, wait, is_missing).unwrap());
        found
    }

    fn serve(&self, mut connection: TcpStream) -> io::Result<()> {
        while let Some(request) = Message::read(&mut connection)? {
            let at = Instant::now();
            let path = request.word(1);
            if path.ends_with("/invocation/next") {
                let mut state = self.state.lock().unwrap();
                state.first_asked.get_or_insert(at);
                state.waiting = Some(connection.try_clone()?);
            } else {
                let answer = Answer { path: path.to_owned(), body: request.body(), at };
                self.state.lock().unwrap().take(answer);
                connection.write_all(&response(202, &[("content-type", "application/json")], b"{}"))?;
            }
            self.changed.notify_all();
        }
        Ok(())
    }
}

impl State {
    /// Takes an answer to the event that was handed over last, and no older one.
    fn take(&mut self, answer: Answer) {
        if answer.path.contains(&request_id(self.handed_over)) {
            self.answer = Some(answer);
        }
    }
}

/// What a Runtime API answers to a function that asks for its next event.
pub fn next_event(request_id: &str, event: &[u8]) -> Vec<u8> {
    let headers = [
        ("content-type", "application/json"),
        ("lambda-runtime-aws-request-id", request_id),
        ("lambda-runtime-trace-id", TRACE),
        ("lambda-runtime-deadline-ms", DEADLINE_MS),
        ("lambda-runtime-invoked-function-arn", FUNCTION_ARN),
    ];
    response(200, &headers, event)
}

/// In the form of Lambda's.
pub fn request_id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

/// A batch of messages as Lambda hands it over from SQS: the id and body of each.
pub fn sqs_event<'a>(messages: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let record = |(id, body)| {
        json!({
            "messageId": id, "receiptHandle": "receipt", "body": body, "md5OfBody": "",
            "messageAttributes": {}, "attributes": { "ApproximateReceiveCount": "1" },
            "eventSource": "aws:sqs", "awsRegion": "us-east-1",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:spool",
        })
    };
    json!({ "Records": messages.map(record).collect::<Vec<_>>() }).to_string()
}

fn command(name: &str, variables: &[(&str, &str)]) -> Command {
    let path = built(name);
    assert!(path.exists(), "{} is not built", path.display());
    let mut command = Command::new(path);
    command
        .env_clear()
        .envs(variables.iter().copied())
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128");
    command
}

/// Starts a function that is expected to give up at once: its exit code and what it said.
pub fn start_and_end(name: &str, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    // Port 9 discards: a function that starts after all finds no control plane, and ends with another
    // message.
    let output = command(name, variables).env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9").output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), said)
}
