//! A device that can be rung: who uses it, and its address at Apple or Google.

use std::fmt;

use crate::call::model::{Moment, Personal};

/// Who is rung: a user of a service, as LINE names the callee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub service: String,
    pub id: Personal,
}

/// The app's installation id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceId(String);

/// How a device is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// PushKit, through Apple's production servers.
    ApnsVoip,
    /// PushKit, through Apple's sandbox: builds that Xcode installs.
    ApnsVoipSandbox,
    /// Firebase Cloud Messaging.
    Fcm,
}

/// The address that Apple or Google gave the app. Whoever has it and our keys can ring the phone.
#[derive(Clone, PartialEq, Eq)]
pub struct PushToken(String);

impl PushToken {
    /// The token, for the provider and the registry only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PushToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PushToken(..)")
    }
}

/// The app on the device: Apple's bundle id, or Google's project id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App(String);

impl App {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an app registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    pub platform: Platform,
    pub token: PushToken,
    pub app: App,
}

/// A registered device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub user: User,
    pub id: DeviceId,
    pub address: Registration,
    pub registered_at: Moment,
    pub expires_at: Moment,
}

impl User {
    pub fn parse(service: &str, id: &str) -> Option<Self> {
        let ok = |text: &str| !text.is_empty() && text.len() <= 256 && !text.chars().any(char::is_control);
        (ok(service) && ok(id)).then(|| Self { service: service.to_owned(), id: Personal::new(id) })
    }
}
impl DeviceId {
    pub fn parse(text: &str) -> Option<Self> {
        (!text.is_empty() && text.len() <= 256).then(|| Self(text.to_owned()))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl Platform {
    pub fn parse(text: &str) -> Option<Self> {
        [Self::ApnsVoip, Self::ApnsVoipSandbox, Self::Fcm].into_iter().find(|p| p.as_str() == text)
    }
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApnsVoip => "apns_voip",
            Self::ApnsVoipSandbox => "apns_voip_sandbox",
            Self::Fcm => "fcm",
        }
    }
}
impl PushToken {
    pub fn parse(_: Platform, text: &str) -> Option<Self> {
        (!text.is_empty() && text.len() <= 8192).then(|| Self(text.to_owned()))
    }
}
impl App {
    pub fn parse(text: &str) -> Option<Self> {
        (!text.is_empty() && text.len() <= 256).then(|| Self(text.to_owned()))
    }
}
