//! Pushes straight to Apple and Google.
//!
//! INIT reads the keys, opens the connections and gets Google's access token. A key that cannot be used does
//! not stop the function: the other provider's phones ring, and the job is published. Its own devices get
//! [`Pushed::RefusedUs`], so the caller is told and the alarm goes off. A later call reads the key again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::lock::Mutex as AsyncMutex;
use http_body_util::Full;
use hyper::body::Bytes;
use serde::Deserialize;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::aws::ssm::Parameters;
use crate::aws::{self, budget};
use crate::call::model::Arrival;
use crate::ring::device::{Device, Platform};
use crate::ring::push::client::{APPLES_ROOTS, Client, GOOGLES_ROOTS, Sent};
use crate::ring::push::keys::{self, ApnsKey, KeyError, ServiceAccount};
use crate::ring::push::{Push, PushSettings, Pushed, Reply, Request, Ring, Ringing, apns, fcm, jwt};

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

/// The keys as they were read, with the tokens that were made with them.
struct Keys {
    apple: Result<Apple, KeyError>,
    google: Result<Google, KeyError>,
    read_at: u64,
    refused: AtomicBool,
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
        let keys = Keys::read(&ssm, &settings, now.seconds()).await;
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
        if let Ok(google) = &self.keys().google {
            let _ = self.access_token(google, now.seconds(), None, budget::PUSHES.attempt).await;
        }
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys, read again if one of them did not work.
    async fn working_keys(&self, now: u64, time: Duration) -> Arc<Keys> {
        let keys = self.keys();
        let works = keys.is_usable(&self.settings) && !keys.refused.load(Ordering::Relaxed);
        if works || (keys.were_read() && now < keys.read_at + KEYS_SECONDS) {
            return keys;
        }
        let again = Keys::read(&self.ssm, &self.settings, now);
        let Ok(again) = tokio::time::timeout(time, again).await else { return keys };
        if !again.is_usable(&self.settings) && keys.is_usable(&self.settings) {
            return keys;
        }
        let again = Arc::new(again);
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&again);
        again
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
        for _ in 0..2 {
            let left = deadline.saturating_duration_since(Instant::now());
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
                Reply::SendAgain(_) => tokio::time::sleep(budget::FIRST_PAUSE).await,
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
        let unusable = |error: &KeyError| NoToken::Refused(error.to_string());
        if is_google {
            self.access_token(keys.google.as_ref().map_err(unusable)?, now, refused, time).await
        } else {
            keys.apple.as_ref().map_err(unusable)?.provider_token(now, refused)
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

impl Ring for Direct {
    async fn ring(&self, call: Ringing<'_>, devices: &[Device]) -> Vec<Push> {
        let start = Instant::now();
        let deadline = start + budget::PUSHES.whole;
        let keys = self.working_keys(call.now.seconds(), budget::PUSHES.attempt).await;
        let pushes = devices.iter().map(|device| async {
            let pushed = self.push(&keys, &call, device, deadline).await;
            Push { pushed, took: start.elapsed() }
        });
        let pushes = join_all(pushes).await;
        if pushes.iter().any(|push| matches!(push.pushed, Pushed::RefusedUs(_))) {
            keys.refused.store(true, Ordering::Relaxed);
        }
        pushes
    }
}

impl Keys {
    async fn read(ssm: &Parameters, settings: &PushSettings, now: u64) -> Self {
        let names = [settings.apns_key_parameter.as_deref(), settings.fcm_key_parameter.as_deref()];
        let known: Vec<&str> = names.iter().flatten().copied().collect();
        let mut texts = keys::read(ssm, &known, now).await.into_iter();
        let mut next = |name: Option<&str>| name.and_then(|_| texts.next()).unwrap_or(Err(KeyError::Missing));
        let [apple, google] = names.map(&mut next);
        let apple =
            apple.and_then(|text| ApnsKey::parse(&text)).map(|key| Apple { key, token: Mutex::default() });
        let google = google
            .and_then(|text| ServiceAccount::parse(&text))
            .map(|account| Google { account, token: AsyncMutex::new(None) });
        let keys = Self { apple, google, read_at: now, refused: AtomicBool::new(false) };
        keys.log(settings);
        keys
    }

    fn log(&self, settings: &PushSettings) {
        let apple = (&settings.apns_key_parameter, self.apple.as_ref().err(), "apns");
        let google = (&settings.fcm_key_parameter, self.google.as_ref().err(), "fcm");
        for (parameter, error, provider) in [apple, google] {
            if let (Some(_), Some(error)) = (parameter, error) {
                tracing::error!(error = %error, provider, "no phone of this provider can ring");
            }
        }
    }

    /// Whether SSM answered.
    fn were_read(&self) -> bool {
        let errors = [self.apple.as_ref().err(), self.google.as_ref().err()];
        !errors.contains(&Some(&KeyError::Unreadable))
    }

    fn is_usable(&self, settings: &PushSettings) -> bool {
        (self.apple.is_ok() || settings.apns_key_parameter.is_none())
            && (self.google.is_ok() || settings.fcm_key_parameter.is_none())
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
