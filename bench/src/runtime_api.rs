//! The Lambda Runtime API on this machine's loopback, for one process of one function.
//!
//! The thread that hands in an event writes it to the waiting connection itself, and the connection's thread takes the time as soon as it has
//! read the answer, so that next to nothing of the harness is between the two.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::error::BenchError;
use crate::http::{Request, Requests, response};

/// What Lambda tells a function of itself, in words that no AWS account has.
const FUNCTION_ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:bench";
const TRACE: &str = "Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0";
/// The template gives callbacks 5 s and replay more; a deadline that is far away changes nothing of what is measured.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Runtime API that listens. It ends when it is dropped.
#[derive(Debug)]
pub struct RuntimeApi {
    shared: Arc<Shared>,
    address: SocketAddr,
}

/// An event and its answer.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Just before the event was handed over.
    pub sent: Instant,
    /// When the whole answer had come.
    pub answered: Instant,
    /// The answer.
    pub body: Vec<u8>,
}

impl Invocation {
    /// How long it took.
    pub fn took(&self) -> Duration {
        self.answered.duration_since(self.sent)
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    first_poll: Option<Instant>,
    /// The connection that waits for an event, by its number.
    waiting: Option<(u64, Arc<TcpStream>)>,
    connections: HashMap<u64, Arc<TcpStream>>,
    last_id: u64,
    answer: Option<Answer>,
    closing: bool,
}

#[derive(Debug)]
struct Answer {
    id: u64,
    at: Instant,
    /// The function's error in the second case.
    body: Result<Vec<u8>, Vec<u8>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the state has what is asked for.
    fn wait_for<T>(&self, timeout: Duration, mut find: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        loop {
            if let Some(found) = find(&mut state) {
                return Some(found);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl RuntimeApi {
    /// Listens on a port of the system's choice.
    ///
    /// # Errors
    /// What the system says when there is no port to be had.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let api = Self { shared: Arc::default(), address: listener.local_addr()? };
        let shared = Arc::clone(&api.shared);
        thread::spawn(move || accept(&listener, &shared));
        Ok(api)
    }

    /// What `AWS_LAMBDA_RUNTIME_API` must say.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// When the function asked for its first event, which is the end of INIT; `None` when it did not within the time-out.
    pub fn wait_for_poll(&self, timeout: Duration) -> Option<Instant> {
        self.shared.wait_for(timeout, |state| state.first_poll)
    }

    /// Waits until the function asks for an event and so is done with the one before.
    pub fn wait_until_idle(&self, timeout: Duration) -> bool {
        self.shared.wait_for(timeout, |state| state.waiting.as_ref().map(|_| ())).is_some()
    }

    /// Hands an event over as soon as it is asked for, and waits for the answer.
    ///
    /// # Errors
    /// [`BenchError::TimedOut`], or [`BenchError::Function`] with what the function posted as its error.
    pub fn invoke(&self, event: &[u8], timeout: Duration) -> Result<Invocation, BenchError> {
        let deadline = Instant::now() + timeout;
        let taken = self.shared.wait_for(timeout, |state| {
            let (_, connection) = state.waiting.take()?;
            state.last_id += 1;
            Some((connection, state.last_id))
        });
        let (connection, id) = taken.ok_or_else(|| BenchError::TimedOut("the request for an event".to_owned()))?;
        let text = event_response(id, event);
        let sent = Instant::now();
        (&*connection).write_all(&text).map_err(BenchError::io("hand the event over"))?;
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = self.shared.wait_for(left, |state| state.answer.take_if(|answer| answer.id == id));
        let answer = answer.ok_or_else(|| BenchError::TimedOut("the answer".to_owned()))?;
        match answer.body {
            Ok(body) => Ok(Invocation { sent, answered: answer.at, body }),
            Err(error) => Err(BenchError::Function(String::from_utf8_lossy(&error).into_owned())),
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.closing = true;
            for connection in state.connections.values() {
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address);
    }
}

fn event_response(id: u64, event: &[u8]) -> Vec<u8> {
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + PATIENCE;
    response(
        200,
        &[
            ("Content-Type", "application/json"),
            ("Lambda-Runtime-Aws-Request-Id", &request_id(id)),
            ("Lambda-Runtime-Deadline-Ms", &deadline.as_millis().to_string()),
            ("Lambda-Runtime-Invoked-Function-Arn", FUNCTION_ARN),
            ("Lambda-Runtime-Trace-Id", TRACE),
        ],
        event,
    )
}

/// In the form that Lambda's have.
fn request_id(id: u64) -> String {
    format!("00000000-0000-4000-8000-{id:012x}")
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for (number, connection) in (0..).zip(listener.incoming()) {
        let Ok(connection) = connection.map(Arc::new) else { continue };
        // An answer of two small packets must not wait for the first one's acknowledgement.
        let _ = connection.set_nodelay(true);
        {
            let mut state = shared.lock();
            if state.closing {
                return;
            }
            state.connections.insert(number, Arc::clone(&connection));
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // A connection that breaks is the end of its function, which whoever waits for the function will notice.
            let _ = serve(&connection, number, &shared);
            let mut state = shared.lock();
            state.connections.remove(&number);
            state.waiting.take_if(|(waiting, _)| *waiting == number);
        });
    }
}

fn serve(connection: &Arc<TcpStream>, number: u64, shared: &Shared) -> io::Result<()> {
    let mut requests = Requests::new();
    while let Some(request) = requests.next(&mut &**connection)? {
        let now = Instant::now();
        if request.path.ends_with("/runtime/invocation/next") {
            let mut state = shared.lock();
            state.first_poll.get_or_insert(now);
            state.waiting = Some((number, Arc::clone(connection)));
            drop(state);
        } else {
            let known = answer(request, now).map(|answer| shared.lock().answer = Some(answer)).is_some();
            let status = if known { 202 } else { 404 };
            (&**connection).write_all(&response(
                status,
                &[("Content-Type", "application/json")],
                br#"{"status":"OK"}"#,
            ))?;
        }
        shared.changed.notify_all();
    }
    Ok(())
}

/// What a post says; `None` for what is no answer to an event.
fn answer(request: Request, at: Instant) -> Option<Answer> {
    let (id, what) = request.path.split_once("/runtime/invocation/")?.1.split_once('/')?;
    let id = u64::from_str_radix(id.rsplit_once('-')?.1, 16).ok()?;
    let body = match what {
        "response" => Ok(request.body),
        "error" => Err(request.body),
        _ => return None,
    };
    Some(Answer { id, at, body })
}
