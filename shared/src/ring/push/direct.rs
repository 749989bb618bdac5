//! Pushes straight to Apple and Google.
//!
//! INIT reads the keys, opens the connections and gets Google's access token. A key that cannot be used does
//! not stop the function: the other provider's phones ring, and the job is published. Its own devices get
//! [`Pushed::RefusedUs`], so the caller is told and the alarm goes off. A call reads such a key again, and
//! pushes again if it is another one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::lock::Mutex as AsyncMutex;
use http_body_util::Full;
use hyper::body::Bytes;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::aws::ssm::Parameters;
use crate::aws::{self, budget};
use crate::call::model::Arrival;
use crate::ring::device::{Device, Platform};
use crate::ring::push::client::{APPLES_ROOTS, Client, GOOGLES_ROOTS, Sent};
use crate::ring::push::keys::{self, ApnsKey, KeyError, ServiceAccount};
use crate::ring::push::{
    Push, PushSettings, Pushed, Reply, Request, Ring, Ringing, apns, fcm, is_about_key, jwt,
};

/// Apple takes a token for an hour, and wants no new one within 20 minutes.
const PROVIDER_TOKEN_SECONDS: u64 = 40 * 60;
/// Google's access tokens are good for an hour.
const ACCESS_TOKEN_SECONDS: u64 = 50 * 60;
/// How long a key that cannot be used, or that a provider refuses, stays before it is read again. A key that
/// could not be read is read again by the next call.
const KEYS_SECONDS: u64 = 10;

/// A token that says who we are, and since when we have it.
#[derive(Clone)]
struct Token {
    text: String,
    since: u64,
}

impl Token {
    fn is_fresh(&self, now: u64, seconds: u64) -> bool {
        (self.since..self.since + seconds).contains(&now)
    }
}

struct Apple {
    key: ApnsKey,
    token: Mutex<Option<Token>>,
}

struct Google {
    account: ServiceAccount,
    /// Held while one push gets the token for all.
    token: AsyncMutex<Option<Token>>,
}

/// A provider's key as it was read, with the token that was made with it.
struct Held<K> {
    key: Result<Arc<K>, KeyError>,
    /// The digest of the parameter's text, to see whether it changed.
    digest: Option<[u8; 32]>,
    /// Whether the provider refused the key, and took nothing since.
    refused: Arc<AtomicBool>,
}

/// The keys of the providers that have one.
struct Keys {
    apple: Option<Held<Apple>>,
    google: Option<Held<Google>>,
    read_at: u64,
}

/// Sends pushes over connections of its own.
pub struct Direct {
    settings: PushSettings,
    ssm: Parameters,
    apple: Client,
    google: Client,
    keys: Mutex<Arc<Keys>>,
}

impl std::fmt::Debug for Direct {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Direct(..)")
    }
}

/// Why a provider has no token for us.
enum NoToken {
    Refused(String),
    Failed(String),
}

impl From<NoToken> for Pushed {
    fn from(reason: NoToken) -> Self {
        match reason {
            NoToken::Refused(code) => Self::RefusedUs(code),
            NoToken::Failed(code) => Self::Failed(code),
        }
    }
}

impl Direct {
    /// Reads the keys and opens the connections, in INIT. Keys that cannot be used are no error here.
    pub async fn connect(settings: PushSettings, aws: &aws::Settings, now: Arrival) -> Self {
        let apple = Client::new(APPLES_ROOTS, &settings.trust);
        let google = Client::new(GOOGLES_ROOTS, &settings.trust);
        // Both go on while the keys are read.
        let visits = [
            settings
                .apns_key_parameter
                .as_ref()
                .and_then(|_| visit(&apple, apns_url(&settings, Platform::ApnsVoip))),
            settings.fcm_key_parameter.as_ref().and_then(|_| visit(&google, fcm_url(&settings))),
        ];
        let ssm = aws.ssm(budget::KEYS);
        let keys = Keys::read(&ssm, &settings, now.seconds(), None).await;
        let direct = Self { settings, ssm, apple, google, keys: Mutex::new(Arc::new(keys)) };
        let opened =
            futures_util::future::join(join_all(visits.into_iter().flatten()), direct.get_token(now));
        if tokio::time::timeout(budget::WARM_UP, opened).await.is_err() {
            tracing::warn!("the connections for pushes are not open yet");
        }
        direct
    }

    /// Gets Google's access token. The first call waits for it if it is not there in time.
    async fn get_token(&self, now: Arrival) {
        if let Some(Ok(google)) = self.keys().google.as_ref().map(|held| &held.key) {
            let _ = self.access_token(google, now.seconds(), None, budget::PUSHES.attempt).await;
        }
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys, read again if one of them did not work.
    async fn working_keys(&self, now: u64, time: Duration) -> Arc<Keys> {
        let keys = self.keys();
        if keys.work() || (keys.were_read() && now < keys.read_at + KEYS_SECONDS) {
            return keys;
        }
        let again = Keys::read(&self.ssm, &self.settings, now, Some(&keys));
        let Ok(again) = tokio::time::timeout(time, again).await else { return keys };
        let again = Arc::new(again);
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&again);
        again
    }

    /// A push to each device, all at once.
    async fn push_all(
        &self,
        keys: &Keys,
        call: &Ringing<'_>,
        devices: &[&Device],
        (start, deadline): (Instant, Instant),
    ) -> Vec<Push> {
        let pushes = devices.iter().map(|device| async {
            let pushed = if keys.know(device.address.platform) {
                let push = self.push(keys, call, device, deadline);
                // One that is late must not take the others' answers along.
                let in_time = tokio::time::timeout_at(deadline + budget::PUSHES_SLACK, push).await;
                in_time.unwrap_or_else(|_| Pushed::Failed("too_slow".into()))
            } else {
                Pushed::NotAsked
            };
            Push { pushed, took: start.elapsed() }
        });
        join_all(pushes).await
    }

    /// A push to one device, sent once more if that may help.
    async fn push(&self, keys: &Keys, call: &Ringing<'_>, device: &Device, deadline: Instant) -> Pushed {
        let is_google = device.address.platform == Platform::Fcm;
        let made = if is_google { fcm::request } else { apns::request };
        let Some(push) = made(call, device, self.settings.ring_seconds) else {
            return Pushed::Failed("too_large".into());
        };
        let now = call.now.seconds();
        let (mut refused, mut may_ring) = (None, false);
        let mut last = Pushed::Failed("unreachable".into());
        for attempt in 0..2 {
            let left = deadline.saturating_duration_since(Instant::now());
            if attempt > 0 && left.is_zero() {
                break;
            }
            let token = self.token(keys, is_google, now, refused.as_deref(), left).await;
            let token = match token {
                Ok(token) => token,
                Err(reason) if may_ring => {
                    drop(reason);
                    return Pushed::NoAnswer;
                }
                Err(reason) => return reason.into(),
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let (client, url, scheme) = if is_google {
                (&self.google, fcm_url(&self.settings), "Bearer")
            } else {
                (&self.apple, apns_url(&self.settings, device.address.platform), "bearer")
            };
            let Some(request) = signed(url, &push, &format!("{scheme} {token}")) else {
                return Pushed::Failed("malformed_address".into());
            };
            let reply = match client.send(request, left).await {
                Sent::Answer(status, body) => {
                    if is_google {
                        fcm::reply(status, &body)
                    } else {
                        apns::reply(status, &body)
                    }
                }
                Sent::NoAnswer => {
                    may_ring = true;
                    continue;
                }
                Sent::Unreached => continue,
            };
            match reply {
                Reply::Settled(pushed) => return pushed,
                Reply::RenewToken(_) => refused = Some(token),
                Reply::SendAgain(_) => {
                    tokio::time::sleep_until(deadline.min(Instant::now() + budget::FIRST_PAUSE)).await
                }
            }
            last = reply.settled();
        }
        if may_ring { Pushed::NoAnswer } else { last }
    }

    async fn token(
        &self,
        keys: &Keys,
        is_google: bool,
        now: u64,
        refused: Option<&str>,
        time: Duration,
    ) -> Result<String, NoToken> {
        if is_google {
            self.access_token(&*key(keys.google.as_ref())?, now, refused, time).await
        } else {
            key(keys.apple.as_ref())?.provider_token(now, refused)
        }
    }

    /// Google's access token: the one we have, unless it is old or was refused.
    async fn access_token(
        &self,
        google: &Google,
        now: u64,
        refused: Option<&str>,
        time: Duration,
    ) -> Result<String, NoToken> {
        let until = Instant::now() + time;
        let Ok(mut token) = tokio::time::timeout_at(until, google.token.lock()).await else {
            return Err(NoToken::Failed("no_access_token".into()));
        };
        if let Some(known) = token.as_ref()
            && known.is_fresh(now, ACCESS_TOKEN_SECONDS)
            && refused != Some(&known.text)
        {
            return Ok(known.text.clone());
        }
        let text = self.new_access_token(&google.account, now, until).await?;
        *token = Some(Token { text: text.clone(), since: now });
        Ok(text)
    }

    async fn new_access_token(
        &self,
        account: &ServiceAccount,
        now: u64,
        until: Instant,
    ) -> Result<String, NoToken> {
        #[derive(Deserialize)]
        struct Granted {
            access_token: String,
        }
        let unsigned = || NoToken::Refused(KeyError::WrongKind.to_string());
        let assertion = jwt::assertion(account, now).ok_or_else(unsigned)?;
        let form =
            format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}");
        let mut code = "no_access_token".to_owned();
        for _ in 0..2 {
            let request = hyper::Request::post(account.token_uri.clone())
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Full::from(form.clone()))
                .map_err(|_| NoToken::Failed("malformed_address".into()))?;
            let left = until.saturating_duration_since(Instant::now()).min(budget::PUSHES.attempt);
            match self.google.send(request, left).await {
                Sent::Answer(200, body) => {
                    let granted = serde_json::from_slice::<Granted>(&body);
                    return granted.map(|granted| granted.access_token).map_err(|_| NoToken::Failed(code));
                }
                Sent::Answer(status @ (429 | 500..=599), _) => code = format!("no_access_token_{status}"),
                Sent::Answer(status, _) => return Err(NoToken::Refused(format!("no_access_token_{status}"))),
                Sent::NoAnswer | Sent::Unreached => {}
            }
        }
        Err(NoToken::Failed(code))
    }
}

/// The key of a provider, or why there is none.
fn key<K>(held: Option<&Held<K>>) -> Result<Arc<K>, NoToken> {
    let key = held.map_or(Err(KeyError::Missing), |held| held.key.clone());
    key.map_err(|error| NoToken::Refused(error.to_string()))
}

impl Ring for Direct {
    async fn ring(&self, call: Ringing<'_>, devices: &[Device]) -> Vec<Push> {
        let start = Instant::now();
        let times = (start, start + budget::PUSHES.whole);
        let now = call.now.seconds();
        let keys = self.working_keys(now, budget::PUSHES.attempt).await;
        let mut pushes = self.push_all(&keys, &call, &devices.iter().collect::<Vec<_>>(), times).await;
        keys.note(devices, &pushes);
        if !pushes.iter().any(|push| is_refused(&push.pushed)) {
            return pushes;
        }
        // The operator may have stored another key.
        let left = times.1.saturating_duration_since(Instant::now());
        let again = self.working_keys(now, left / 2).await;
        // To one who refuses the key, good devices can look dead. So these are asked again, too.
        let is_doubtful = |push: &Push| matches!(push.pushed, Pushed::RefusedUs(_) | Pushed::Dead { .. });
        let (places, refused): (Vec<usize>, Vec<&Device>) = devices
            .iter()
            .enumerate()
            .filter(|(place, device)| {
                pushes.get(*place).is_some_and(is_doubtful)
                    && again.has_another(&keys, device.address.platform)
            })
            .unzip();
        let second = self.push_all(&again, &call, &refused, times).await;
        for (place, push) in places.into_iter().zip(second) {
            if let Some(first) = pushes.get_mut(place) {
                *first = push;
            }
        }
        again.note(devices, &pushes);
        pushes
    }
}

fn is_refused(pushed: &Pushed) -> bool {
    matches!(pushed, Pushed::RefusedUs(code) if is_about_key(code))
}

impl Keys {
    /// Reads the keys. One that worked before is kept if there is no better one now, and so is its token if
    /// the parameter did not change: Apple takes few new tokens.
    async fn read(ssm: &Parameters, settings: &PushSettings, now: u64, known: Option<&Self>) -> Self {
        let names = [settings.apns_key_parameter.as_deref(), settings.fcm_key_parameter.as_deref()];
        let wanted: Vec<&str> = names.iter().flatten().copied().collect();
        let mut texts = keys::read(ssm, &wanted, now).await.into_iter();
        let mut next = |name: Option<&str>| name.map(|_| texts.next().unwrap_or(Err(KeyError::Missing)));
        let [apple, google] = names.map(&mut next);
        let made = |text: &str| ApnsKey::parse(text).map(|key| Apple { key, token: Mutex::default() });
        let apple = apple.map(|text| Held::new(text, known.and_then(|known| known.apple.as_ref()), made));
        let made = |text: &str| {
            ServiceAccount::parse(text).map(|account| Google { account, token: AsyncMutex::new(None) })
        };
        let google = google.map(|text| Held::new(text, known.and_then(|known| known.google.as_ref()), made));
        let keys = Self { apple, google, read_at: now };
        keys.log();
        keys
    }

    fn errors(&self) -> [(&'static str, Option<KeyError>); 2] {
        let apple = self.apple.as_ref().and_then(|held| held.key.as_ref().err());
        let google = self.google.as_ref().and_then(|held| held.key.as_ref().err());
        [("apns", apple.copied()), ("fcm", google.copied())]
    }

    fn log(&self) {
        for (provider, error) in self.errors() {
            if let Some(error) = error {
                tracing::error!(%error, provider, "no phone of this provider can ring");
            }
        }
    }

    /// Whether SSM answered.
    fn were_read(&self) -> bool {
        self.errors().iter().all(|(_, error)| *error != Some(KeyError::Unreadable))
    }

    /// Whether every key that there should be can be used, as far as is known.
    fn work(&self) -> bool {
        let refused = [self.apple.as_ref().map(Held::is_refused), self.google.as_ref().map(Held::is_refused)];
        self.errors().iter().all(|(_, error)| error.is_none()) && !refused.contains(&Some(true))
    }

    /// Whether there should be a key for these devices.
    fn know(&self, platform: Platform) -> bool {
        if platform == Platform::Fcm { self.google.is_some() } else { self.apple.is_some() }
    }

    /// Whether the key for these devices is not the one of others.
    fn has_another(&self, others: &Self, platform: Platform) -> bool {
        if platform == Platform::Fcm {
            differ(self.google.as_ref(), others.google.as_ref())
        } else {
            differ(self.apple.as_ref(), others.apple.as_ref())
        }
    }

    /// Notes which keys the providers took or refused.
    fn note(&self, devices: &[Device], pushes: &[Push]) {
        for (device, push) in devices.iter().zip(pushes) {
            let is_google = device.address.platform == Platform::Fcm;
            let google = self.google.as_ref().map(|held| &held.refused).filter(|_| is_google);
            let apple = self.apple.as_ref().map(|held| &held.refused).filter(|_| !is_google);
            let Some(refused) = google.or(apple) else { continue };
            if is_refused(&push.pushed) {
                refused.store(true, Ordering::Relaxed);
            } else if push.pushed == Pushed::Accepted {
                refused.store(false, Ordering::Relaxed);
            }
        }
    }
}

fn differ<K>(one: Option<&Held<K>>, other: Option<&Held<K>>) -> bool {
    match (one.map(|held| &held.key), other.map(|held| &held.key)) {
        (Some(Ok(one)), Some(Ok(other))) => !Arc::ptr_eq(one, other),
        (Some(Ok(_)), _) => true,
        _ => false,
    }
}

impl<K> Held<K> {
    fn new(
        text: Result<String, KeyError>,
        known: Option<&Self>,
        make: impl FnOnce(&str) -> Result<K, KeyError>,
    ) -> Self {
        let digest = text.as_ref().ok().map(|text| Sha256::digest(text).into());
        let same = known.filter(|known| known.key.is_ok() && known.digest == digest);
        let made = match same {
            Some(known) => known.key.clone(),
            None => text.and_then(|text| make(&text)).map(Arc::new),
        };
        match (made, known) {
            (Ok(key), _) if same.is_none() => Self { key: Ok(key), digest, refused: Arc::default() },
            (_, Some(known)) if known.key.is_ok() => {
                Self { key: known.key.clone(), digest: known.digest, refused: Arc::clone(&known.refused) }
            }
            (key, _) => Self { key, digest, refused: Arc::default() },
        }
    }

    fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Apple {
    /// Apple's token: the one we have, unless it is old or was refused.
    fn provider_token(&self, now: u64, refused: Option<&str>) -> Result<String, NoToken> {
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = token.as_ref()
            && known.is_fresh(now, PROVIDER_TOKEN_SECONDS)
            && refused != Some(&known.text)
        {
            return Ok(known.text.clone());
        }
        let unsigned = || NoToken::Refused(KeyError::WrongKind.to_string());
        let text = jwt::provider_token(&self.key, now).ok_or_else(unsigned)?;
        *token = Some(Token { text: text.clone(), since: now });
        Ok(text)
    }
}

fn apns_url(settings: &PushSettings, platform: Platform) -> &str {
    let own = if platform == Platform::ApnsVoipSandbox { apns::SANDBOX } else { apns::PRODUCTION };
    settings.apns_url.as_deref().unwrap_or(own)
}

fn fcm_url(settings: &PushSettings) -> &str {
    settings.fcm_url.as_deref().unwrap_or(fcm::ENDPOINT)
}

/// Opens a connection. It is not given up with the wait for it: a handshake with a distant provider goes on.
fn visit(client: &Client, url: &str) -> Option<JoinHandle<Sent>> {
    let request = hyper::Request::get(url).body(Full::default()).ok()?;
    let client = client.clone();
    Some(tokio::spawn(async move { client.send(request, budget::KEYS.whole).await }))
}

/// The request with the token that says who we are.
fn signed(url: &str, push: &Request, authorization: &str) -> Option<hyper::Request<Full<Bytes>>> {
    let request = hyper::Request::post(format!("{}{}", url.trim_end_matches('/'), push.path));
    let request = push.headers.iter().fold(request, |request, (name, text)| request.header(*name, text));
    request.header("authorization", authorization).body(Full::from(push.body.clone())).ok()
}
