//! The phones of the people in the sample calls: registered as an app server does it, rung by stand-ins of
//! APNs and FCM.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ringback::text::query::Parameters;
use ringback_tests::http;
use ringback_tests::phones as stand_ins;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::emulator::{Emulator, REGION};
use crate::error::StackError;
use crate::processes::lock;
use crate::signature;

/// Where the keys of the push providers are.
pub(crate) const KEYS: [(&str, &str); 2] =
    [("ApnsKeyParameter", "/ringback-local/apns"), ("FcmKeyParameter", "/ringback-local/fcm")];

pub(crate) struct Phones {
    providers: stand_ins::Phones,
    folder: PathBuf,
    /// Who has a phone.
    owners: Mutex<BTreeSet<Person>>,
    /// How many pushes were looked at.
    seen: Mutex<usize>,
}

/// A user who may be called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Person {
    pub(crate) service: String,
    pub(crate) user: String,
}

/// A phone that rang, or one that did not take its push.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ring {
    /// `bob's iPhone`
    pub(crate) phone: String,
    pub(crate) status: u16,
    /// What the phone got: the members of the push job.
    pub(crate) job: Value,
}

impl Person {
    /// Whom a notify callback calls.
    pub(crate) fn called(query: &str) -> Option<Self> {
        let parameters = Parameters::parse(query).ok()?;
        let text = |name| parameters.text(name).map(str::to_owned);
        Some(Self { service: text("to_service_id")?, user: text("to_user_id")? })
    }
}

impl Phones {
    /// Starts the stand-ins, and puts the keys for them where notify looks for keys.
    pub(crate) fn start(folder: &Path, emulator: &Emulator) -> Result<Self, StackError> {
        fs::create_dir_all(folder)?;
        let providers = stand_ins::Phones::start(folder, 0, 0)?;
        let [(_, apns), (_, fcm)] = KEYS;
        emulator.put_secret(apns, &providers.apns_key())?;
        emulator.put_secret(fcm, &providers.fcm_key())?;
        Ok(Self { providers, folder: folder.to_owned(), owners: Mutex::default(), seen: Mutex::default() })
    }

    /// What notify needs to reach the stand-ins instead of Apple and Google.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let url = self.providers.url().to_owned();
        let bundle = self.folder.join("ca.pem").display().to_string();
        vec![("APNS_ENDPOINT_URL", url.clone()), ("FCM_ENDPOINT_URL", url), ("PUSH_CA_BUNDLE", bundle)]
    }

    /// Where `GET /` lists what the stand-ins have taken or refused.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.providers.list_address())
    }

    /// Registers a phone for a person: bob has an iPhone, and the others have one of either kind. An id that
    /// the registry refuses stays without a phone.
    pub(crate) fn register(&self, devices_url: &str, owner: &Person) -> Result<(), StackError> {
        let digest = Sha256::digest(format!("{}\n{}", owner.service, owner.user));
        let token: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        // The stand-ins refuse pushes to tokens that begin with some words.
        let token = format!("ab{}", token.get(2..).unwrap_or_default());
        let is_apple = owner.user == "bob" || digest.iter().fold(0, |sum, byte| sum ^ byte) % 2 == 0;
        let (platform, app) =
            if is_apple { ("apns_voip", "com.example.app") } else { ("fcm", stand_ins::PROJECT) };
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let path = format!("/users/{}/{}/devices/phone", encode(&owner.service), encode(&owner.user));
        let body = json!({ "platform": platform, "token": token, "app": app }).to_string();
        let refused = |why: &str| {
            let name = percent_decode_str(&owner.user).decode_utf8_lossy();
            StackError::new(format!("no phone can be registered for {name}: {why}"))
        };
        let signed = signature::signed("PUT", &format!("{devices_url}{path}"), body.as_bytes(), REGION);
        let mut headers = signed.ok_or_else(|| refused("the request cannot be signed"))?;
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let address = devices_url.trim_start_matches("http://");
        let patience = Duration::from_secs(60);
        let answer = http::exchange(address, "PUT", &path, &headers, body.as_bytes(), patience)?;
        match answer.status {
            200 | 201 => drop(lock(&self.owners).insert(owner.clone())),
            400 => {}
            _ => return Err(refused(&answer.body)),
        }
        Ok(())
    }

    /// Whether a user has a phone.
    pub(crate) fn has(&self, person: &Person) -> bool {
        lock(&self.owners).contains(person)
    }

    /// What the phones got since the last time.
    pub(crate) fn take(&self) -> Vec<Ring> {
        let pushes = self.providers.pushes();
        let mut seen = lock(&self.seen);
        let new = pushes.get(*seen..).unwrap_or_default().iter().map(Ring::read).collect();
        *seen = pushes.len();
        new
    }
}

impl Ring {
    /// Reads a push as the stand-ins list it.
    fn read(push: &Value) -> Self {
        let is_apple = push.get("provider").is_some_and(|provider| provider == "apns");
        let job = push.pointer(if is_apple { "/body" } else { "/body/message/data" });
        let job = job.cloned().unwrap_or_default();
        let callee = job.get("app_callee_uid").and_then(Value::as_str).unwrap_or("somebody");
        let status = push.get("status").and_then(Value::as_u64);
        Self {
            phone: format!("{callee}'s {}", if is_apple { "iPhone" } else { "Android phone" }),
            status: status.and_then(|status| status.try_into().ok()).unwrap_or_default(),
            job,
        }
    }
}
