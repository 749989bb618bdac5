//! A Lambda control plane of a few lines: it starts one built function and hands it events, so that a test can choose the function's environment.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stack::built;

const PATIENCE: Duration = Duration::from_secs(20);

/// A running function.
pub struct Function {
    process: Child,
    runtime_api: TcpListener,
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Function {
    /// Starts a function with these variables and no others.
    pub fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        let runtime_api = TcpListener::bind("127.0.0.1:0").unwrap();
        let process = command(name, variables)
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api.local_addr().unwrap().to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, runtime_api }
    }

    /// Hands the function one event and waits for its response; says how long it took from the one to the other.
    pub fn invoke(&self, event: &str) -> (Value, Duration) {
        let (asked, mut connection) = self.next_request();
        assert!(asked.contains("/invocation/next"), "the function asked for {asked}");
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nlambda-runtime-aws-request-id: 1\r\n\
             lambda-runtime-deadline-ms: 99999999999999\r\nlambda-runtime-invoked-function-arn: arn\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            event.len()
        );
        connection.write_all(head.as_bytes()).unwrap();
        connection.write_all(event.as_bytes()).unwrap();
        drop(connection);
        let handed = Instant::now();
        let (answered, connection) = self.next_request();
        let took = handed.elapsed();
        assert!(answered.contains("/invocation/1/response"), "the function reported {answered}");
        let body = answered.split_once("\r\n\r\n").unwrap().1.to_owned();
        accept(connection);
        (serde_json::from_str(&body).unwrap(), took)
    }

    fn next_request(&self) -> (String, TcpStream) {
        self.runtime_api.set_nonblocking(true).unwrap();
        let patience = Instant::now() + PATIENCE;
        loop {
            match self.runtime_api.accept() {
                Ok((connection, _)) => return read_request(connection),
                Err(_) if Instant::now() < patience => std::thread::sleep(Duration::from_millis(1)),
                Err(error) => panic!("the function did not call: {error}"),
            }
        }
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

fn read_request(connection: TcpStream) -> (String, TcpStream) {
    connection.set_nonblocking(false).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(connection);
    let mut request = String::new();
    let mut length = 0;
    let mut chunked = false;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
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
            reader.read_line(&mut size).unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).unwrap();
            request.push_str(&String::from_utf8_lossy(&chunk[..size]));
            if size == 0 {
                break;
            }
        }
    } else {
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        request.push_str(&String::from_utf8_lossy(&body));
    }
    (request, reader.into_inner())
}

fn accept(mut connection: TcpStream) {
    connection.write_all(b"HTTP/1.1 202 Accepted\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").unwrap();
}
