//! A Lambda control plane of a few lines: it starts one built function and hands it events, so that a test can choose the function's environment.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stack::built;

/// X-Ray's id of every event.
pub const TRACE_ID: &str = "1-5759e988-bd862e3fe1be46a994272793";
const PATIENCE: Duration = Duration::from_secs(20);

/// What a function made of an event.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Its response, and how long after the event.
    Response(Value, Duration),
    /// It reported an error of the invocation; Lambda would answer 500.
    Failed(String),
    /// Nothing yet.
    Nothing,
}

/// A running function.
pub struct Function {
    process: Child,
    address: SocketAddr,
    ending: Arc<AtomicBool>,
    calls: Receiver<(String, TcpStream)>,
    asked: RefCell<Option<(String, TcpStream)>>,
}

impl Drop for Function {
    fn drop(&mut self) {
        self.kill();
        self.ending.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Function {
    /// Starts a function with these variables and no others.
    pub fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_saying(name, variables, Stdio::null(), Stdio::null())
    }

    /// The same with its standard output and error going somewhere.
    pub fn start_saying(name: &str, variables: &[(&str, &str)], output: Stdio, error: Stdio) -> Self {
        let runtime_api = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = runtime_api.local_addr().unwrap();
        let process = command(name, variables)
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .stdout(output)
            .stderr(error)
            .spawn()
            .unwrap();
        let ending = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ending);
        let (send, calls) = channel();
        std::thread::spawn(move || {
            for connection in runtime_api.incoming() {
                if told.load(Ordering::SeqCst) {
                    return;
                }
                // A call that breaks off is that of a function that was killed.
                if let Some(call) = connection.ok().and_then(read_request) {
                    let _ = send.send(call);
                }
            }
        });
        Self { process, address, ending, calls, asked: RefCell::default() }
    }

    /// Hands the function one event and waits for its response; says how long it took from the one to the other.
    pub fn invoke(&self, event: &str) -> (Value, Duration) {
        let handed = self.hand_over(event);
        match self.reply(handed, PATIENCE) {
            Reply::Response(response, took) => (response, took),
            Reply::Failed(report) => panic!("the function reported {report}"),
            Reply::Nothing => panic!("the function did not answer"),
        }
    }

    /// Waits until the function asks for an event, and says whether it did.
    pub fn wait_until_it_asks(&self) -> bool {
        let mut asked = self.asked.borrow_mut();
        if asked.is_none() {
            *asked = self.calls.recv_timeout(PATIENCE).ok();
        }
        asked.is_some()
    }

    /// Hands the function one event as soon as it asks for one, and says when.
    pub fn hand_over(&self, event: &str) -> Instant {
        assert!(self.wait_until_it_asks(), "the function did not call");
        let (asked, mut connection) = self.asked.take().unwrap();
        assert!(asked.contains("/invocation/next"), "the function asked for {asked}");
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nlambda-runtime-aws-request-id: 1\r\n\
             lambda-runtime-trace-id: Root={TRACE_ID};Parent=53995c3f42cd8ad8;Sampled=0\r\n\
             lambda-runtime-deadline-ms: 99999999999999\r\nlambda-runtime-invoked-function-arn: arn\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            event.len()
        );
        connection.write_all(head.as_bytes()).unwrap();
        connection.write_all(event.as_bytes()).unwrap();
        drop(connection);
        Instant::now()
    }

    /// Waits so long for what the function makes of the event that was handed over.
    pub fn reply(&self, handed: Instant, wait: Duration) -> Reply {
        let Ok((answered, connection)) = self.calls.recv_timeout(wait) else { return Reply::Nothing };
        let took = handed.elapsed();
        accept(connection);
        let body = answered.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        match serde_json::from_str(body) {
            Ok(response) if answered.contains("/invocation/1/response") => Reply::Response(response, took),
            _ => Reply::Failed(answered),
        }
    }

    /// Whether it runs still.
    pub fn is_running(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// SIGKILL, wherever the function is.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
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
    // Port 9 discards: a function that starts after all finds no control plane, and ends with another message.
    let output = command(name, variables).env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), said)
}

fn read_request(connection: TcpStream) -> Option<(String, TcpStream)> {
    connection.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut reader = BufReader::new(connection);
    let mut request = String::new();
    let mut length = 0;
    let mut chunked = false;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        chunked |= lower.starts_with("transfer-encoding:") && lower.contains("chunked");
        request.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    if chunked {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            request.push_str(&String::from_utf8_lossy(&chunk[..size]));
            if size == 0 {
                break;
            }
        }
    } else {
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        request.push_str(&String::from_utf8_lossy(&body));
    }
    Some((request, reader.into_inner()))
}

fn accept(mut connection: TcpStream) {
    // A function that was killed meanwhile does not need to know.
    let _ = connection.write_all(b"HTTP/1.1 202 Accepted\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
}
