//! Stand-ins of APNs and FCM: test equipment that speaks HTTP/2 over TLS, verifies what Apple and Google
//! verify, and shows the pushes that it got.
//!
//! A device's token decides the answer: `dead…`, `bad…`, `429…`, `503…`, and all others are taken. A test can
//! also say what becomes of the next pushes ([`Fault`]) or of the connections.

mod identity;
mod judge;

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio_rustls::TlsAcceptor;

use crate::http::{Message, Server, response};
use identity::Identity;
pub use identity::{ACCOUNT, KEY, PROJECT, TEAM};

/// What becomes of one push, in place of what its token says.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Taken or refused at once, and answered so late.
    Late(Duration),
    /// Read, and lost with its connection.
    Reset,
    /// Taken, and the connection is reset before the answer.
    LostAnswer,
    /// Answered with a status and Apple's reason or Google's error code.
    Answer(u16, &'static str),
}

/// Which pushes a lasting fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strikes {
    All,
    /// Each push when it comes for the first time.
    First,
}

/// What happens to the connections that are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    /// Closed without a word.
    Closed,
    /// GOAWAY, then closed when what was sent is answered.
    GoneAway,
    /// Open, and nothing on it is read or answered any more, as after a network lost it.
    Mute,
}

struct State {
    identity: Identity,
    url: String,
    pushes: Mutex<Vec<Value>>,
    faults: Mutex<VecDeque<Fault>>,
    lasting: Mutex<Option<(Fault, Strikes)>>,
    /// Each push that has come, by its token and call.
    known: Mutex<HashSet<String>>,
    fate: watch::Sender<Fate>,
    connections: AtomicUsize,
    tokens: AtomicUsize,
}

/// The running stand-ins. They stop when they are dropped.
pub struct Phones {
    state: Arc<State>,
    list: Server,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Phones {
    /// Listens on two ports of the loopback interface (0: any free one) and writes `ca.pem`, `apns-key.json`
    /// and `fcm-key.json` into the folder.
    pub fn start(folder: &Path, push_port: u16, list_port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, push_port))?;
        listener.set_nonblocking(true)?;
        let url = format!("https://{}", listener.local_addr()?);
        let identity = Identity::new();
        identity.write(folder, &url)?;
        let state = Arc::new(State {
            identity,
            url,
            pushes: Mutex::default(),
            faults: Mutex::default(),
            lasting: Mutex::default(),
            known: Mutex::default(),
            fate: watch::Sender::new(Fate::Open),
            connections: AtomicUsize::new(0),
            tokens: AtomicUsize::new(0),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.spawn(accept(listener, Arc::clone(&state)));
        let shown = Arc::clone(&state);
        let list =
            Server::on(TcpListener::bind((Ipv4Addr::LOCALHOST, list_port))?, move |mut connection| {
                while let Ok(Some(_)) = Message::read(&mut connection) {
                    let body = Value::from(locked(&shown.pushes).clone()).to_string();
                    let json = [("content-type", "application/json")];
                    if connection.write_all(&response(200, &json, body.as_bytes())).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self { state, list, runtime: Some(runtime) })
    }

    /// `https://127.0.0.1:PORT` of APNs, FCM and Google's OAuth.
    pub fn url(&self) -> &str {
        &self.state.url
    }

    /// Where `GET /` lists the pushes.
    pub fn list_address(&self) -> SocketAddr {
        self.list.address
    }

    /// The certificate of the stand-ins' authority, in PEM.
    pub fn ca(&self) -> &str {
        &self.state.identity.ca
    }

    /// What `APNS_KEY_PARAMETER` has.
    pub fn apns_key(&self) -> String {
        self.state.identity.apns_key().to_string()
    }

    /// What `FCM_KEY_PARAMETER` has.
    pub fn fcm_key(&self) -> String {
        self.state.identity.fcm_key(&self.state.url).to_string()
    }

    /// All pushes taken or refused, oldest first.
    pub fn pushes(&self) -> Vec<Value> {
        locked(&self.state.pushes).clone()
    }

    /// How many connections were opened.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How many access tokens Google gave.
    pub fn access_tokens(&self) -> usize {
        self.state.tokens.load(Ordering::SeqCst)
    }

    /// What becomes of the next pushes, one each.
    pub fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        locked(&self.state.faults).extend(faults);
    }

    /// What becomes of pushes from now on, unless [`next`](Self::next) says otherwise.
    pub fn from_now_on(&self, fault: Option<(Fault, Strikes)>) {
        *locked(&self.state.lasting) = fault;
    }

    /// Closes the open connections.
    pub fn close(&self) {
        self.state.fate.send_replace(Fate::Closed);
    }

    /// Sends GOAWAY on the open connections.
    pub fn go_away(&self) {
        self.state.fate.send_replace(Fate::GoneAway);
    }

    /// Neither reads from nor answers on the open connections any more.
    pub fn mute(&self) {
        self.state.fate.send_replace(Fate::Mute);
    }
}

impl State {
    fn fault(&self, token: &str, body: &Value) -> Option<Fault> {
        let call = body["sid"].as_str().or(body["message"]["data"]["sid"].as_str());
        let is_first = locked(&self.known).insert(format!("{token} {}", call.unwrap_or_default()));
        locked(&self.faults).pop_front().or_else(|| {
            let (fault, strikes) = (*locked(&self.lasting))?;
            (strikes == Strikes::All || is_first).then_some(fault)
        })
    }
}

impl Drop for Phones {
    fn drop(&mut self) {
        // A runtime may not wait for its end within another one, and tests are in one.
        let _ = self.runtime.take().map(tokio::runtime::Runtime::shutdown_background);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(state.identity.tls.clone()));
    loop {
        let Ok((connection, _)) = listener.accept().await else { continue };
        let _ = connection.set_nodelay(true);
        let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            if let Ok(connection) = acceptor.accept(connection).await {
                serve(TokioIo::new(connection), state).await;
            }
        });
    }
}

async fn serve(io: TokioIo<tokio_rustls::server::TlsStream<tokio::net::TcpStream>>, state: Arc<State>) {
    state.connections.fetch_add(1, Ordering::SeqCst);
    let mut fate = state.fate.subscribe();
    let reset = Arc::new(Notify::new());
    let resetting = Arc::clone(&reset);
    let service = service_fn(move |request| answer(request, Arc::clone(&state), Arc::clone(&resetting)));
    let mut connection = std::pin::pin!(
        http2::Builder::new(TokioExecutor::new()).timer(TokioTimer::new()).serve_connection(io, service)
    );
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = reset.notified() => return,
            _ = fate.changed() => {
                let now = *fate.borrow_and_update();
                match now {
                    Fate::Open => {}
                    Fate::Closed => return,
                    Fate::GoneAway => connection.as_mut().graceful_shutdown(),
                    Fate::Mute => std::future::pending().await,
                }
            }
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
    reset: Arc<Notify>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut judged = judge::judge(&state.identity, &state.url, &head, &body, now());
    if let Some((provider, token)) = &judged.push {
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let fault = state.fault(token, &body);
        if let Some(Fault::Answer(status, reason)) = fault {
            judged.status = status;
            judged.body = if *provider == "fcm" {
                judge::fcm_answer(status, reason)
            } else {
                json!({ "reason": reason })
            };
        }
        let headers: Value = head
            .headers
            .iter()
            .filter(|(name, _)| *name != "authorization")
            .map(|(name, value)| (name.to_string(), Value::from(String::from_utf8_lossy(value.as_bytes()))))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let push = json!({
            "provider": provider, "token": token, "status": judged.status, "headers": headers, "body": body,
        });
        if !matches!(fault, Some(Fault::Reset)) {
            locked(&state.pushes).push(push);
        }
        match fault {
            Some(Fault::Late(time)) => tokio::time::sleep(time).await,
            Some(Fault::Reset | Fault::LostAnswer) => {
                reset.notify_one();
                std::future::pending().await
            }
            _ => {}
        }
    } else if judged.status == 200 {
        state.tokens.fetch_add(1, Ordering::SeqCst);
    }
    let answer = Response::builder().status(judged.status).header("content-type", "application/json");
    Ok(answer.body(Full::from(judged.body.to_string())).unwrap())
}
