//! A device that can be rung: who uses it, and its address at Apple or Google.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::call::model::{Moment, Person, Personal};

/// Bytes of a service id, a user id, a device id or an app's name.
pub const ID_BYTES: usize = 256;
/// Bytes of a push token. Apple's have 64 to 200 hex digits, Google's some 160 characters; neither
/// promises a length.
pub const TOKEN_BYTES: usize = 8_192;

/// Who is rung: a user of a service, as LINE names the callee.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct User {
    pub service: String,
    pub id: Personal,
}

impl User {
    pub fn parse(service: &str, id: &str) -> Option<Self> {
        (is_id(service) && is_id(id)).then(|| Self { service: service.to_owned(), id: Personal::new(id) })
    }

    /// The callee of a call. `None` if LINE did not name one, or none that can have devices.
    pub fn from_callee(callee: &Person) -> Option<Self> {
        Self::parse(callee.service_id.as_deref()?, callee.user_id.as_ref()?.reveal())
    }

    /// The partition key of the user's devices.
    pub fn key(&self) -> String {
        key("user", [&self.service, self.id.reveal()])
    }
}

/// The app's installation id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceId(String);

impl DeviceId {
    pub fn parse(text: &str) -> Option<Self> {
        is_id(text).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The sort key of the device.
    pub fn key(&self) -> String {
        key("device", [&self.0])
    }
}

/// How a device is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Platform {
    /// PushKit, through Apple's production servers.
    ApnsVoip,
    /// PushKit, through Apple's sandbox: builds that Xcode installs.
    ApnsVoipSandbox,
    /// Firebase Cloud Messaging.
    Fcm,
}

impl Platform {
    pub const ALL: [Self; 3] = [Self::ApnsVoip, Self::ApnsVoipSandbox, Self::Fcm];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApnsVoip => "apns_voip",
            Self::ApnsVoipSandbox => "apns_voip_sandbox",
            Self::Fcm => "fcm",
        }
    }

    pub fn provider(self) -> Provider {
        match self {
            Self::ApnsVoip | Self::ApnsVoipSandbox => Provider::Apns,
            Self::Fcm => Provider::Fcm,
        }
    }
}

/// Who carries a push to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provider {
    Apns,
    Fcm,
}

impl Provider {
    pub const ALL: [Self; 2] = [Self::Apns, Self::Fcm];

    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apns => "apns",
            Self::Fcm => "fcm",
        }
    }
}

/// The address that Apple or Google gave the app. Anyone who has it and our keys can ring the phone.
#[derive(Clone, PartialEq, Eq)]
pub struct PushToken(String);

impl PushToken {
    /// Apple's tokens are hex digits: both cases name the same phone, so they are kept in one.
    /// Google's are letters, digits, `_`, `:`, `.` and `-`.
    pub fn parse(platform: Platform, text: &str) -> Option<Self> {
        let allowed = |byte: u8| match platform.provider() {
            Provider::Apns => byte.is_ascii_hexdigit(),
            Provider::Fcm => byte.is_ascii_alphanumeric() || b"_:.-".contains(&byte),
        };
        let usable = (1..=TOKEN_BYTES).contains(&text.len()) && text.bytes().all(allowed);
        usable.then(|| match platform.provider() {
            Provider::Apns => Self(text.to_ascii_lowercase()),
            Provider::Fcm => Self(text.to_owned()),
        })
    }

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

/// Whether Google's address is an installation id: 22 characters, the first of them c, d, e or f. A
/// registration token is much longer.
pub fn is_installation_id(token: &str) -> bool {
    token.len() == 22
        && token.starts_with(['c', 'd', 'e', 'f'])
        && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The app on the device: Apple's bundle id, or Google's project id. It becomes part of a URL or of
/// a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App(String);

impl App {
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        let is_dots = text.bytes().all(|byte| byte == b'.');
        ((1..=ID_BYTES).contains(&text.len()) && text.bytes().all(allowed) && !is_dots)
            .then(|| Self(text.to_owned()))
    }

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

impl Registration {
    /// The partition key of the address: a digest, because a token may be longer than a key.
    pub fn address_key(&self) -> String {
        let digest = Sha256::new()
            .chain_update(self.platform.as_str())
            .chain_update("\n")
            .chain_update(self.installation())
            .finalize();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        key("address", [&hex])
    }

    /// Whether both reach the same phone.
    pub fn has_address_of(&self, other: &Self) -> bool {
        self.platform == other.platform && self.installation() == other.installation()
    }

    /// What stays of an address as long as the app is installed. A registration token of Google begins with
    /// the installation's id, which is an address by itself.
    fn installation(&self) -> &str {
        let token = self.token.reveal();
        let before_colon = token.split(':').next().unwrap_or_default();
        if self.platform == Platform::Fcm && is_installation_id(before_colon) { before_colon } else { token }
    }
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

/// A key of the table of devices. The separator is encoded in the parts, so that two lists of parts
/// never make the same key.
pub(super) fn key<const PARTS: usize>(kind: &str, parts: [&str; PARTS]) -> String {
    let escaped = parts.map(|part| part.replace('%', "%25").replace('#', "%23"));
    format!("{kind}#{}", escaped.join("#"))
}

fn is_id(text: &str) -> bool {
    let unusable = |character: char| character.is_control() || character == char::REPLACEMENT_CHARACTER;
    !text.trim().is_empty() && text.len() <= ID_BYTES && !text.chars().any(unusable)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_is_bounded_and_printable() {
        let text = |bytes| "x".repeat(bytes);
        assert!(User::parse(&text(ID_BYTES), "é 1").is_some() && DeviceId::parse(&text(ID_BYTES)).is_some());
        for unusable in ["", " ", "a\u{1}", "a\u{fffd}", &text(ID_BYTES + 1)] {
            assert_eq!(User::parse("planetkit", unusable), None, "{unusable}");
            assert_eq!(User::parse(unusable, "bob"), None, "{unusable}");
            assert_eq!(DeviceId::parse(unusable), None, "{unusable}");
        }
    }

    #[test]
    fn a_token_has_the_form_of_its_platform() {
        for (platform, text, usable) in [
            (Platform::ApnsVoip, "deadBEEF01", true),
            (Platform::ApnsVoipSandbox, "xyz", false),
            (Platform::Fcm, "dead_x:APA91b-._", true),
            (Platform::Fcm, "a/b", false),
            (Platform::Fcm, "", false),
        ] {
            assert_eq!(PushToken::parse(platform, text).is_some(), usable, "{text}");
        }
        let long = "a".repeat(TOKEN_BYTES);
        assert!(PushToken::parse(Platform::Fcm, &long).is_some());
        assert_eq!(PushToken::parse(Platform::Fcm, &format!("{long}a")), None);
    }

    #[test]
    fn a_token_of_apple_is_the_same_phone_in_capitals() {
        let token = |text| PushToken::parse(Platform::ApnsVoip, text);
        assert_eq!(token("DEAD01"), token("dead01"));
    }

    #[test]
    fn googles_token_and_id_of_one_installation_are_one_address() {
        let address = |platform, token: &str| {
            let token = PushToken::parse(platform, token).unwrap();
            Registration { platform, token, app: App::parse("app").unwrap() }
        };
        let google = |token: &str| address(Platform::Fcm, token);
        let (id, other) = ("cAAAAAAAAAAAAAAAAAAAAA", "dAAAAAAAAAAAAAAAAAAAAA");
        let token = google(&format!("{id}:APA91b-x"));
        for same in [google(id), google(&format!("{id}:APA91b-new"))] {
            assert!(token.has_address_of(&same) && token.address_key() == same.address_key());
        }
        for another in [google(other), google("c:APA91b-x"), google(&format!("{other}:APA91b-x"))] {
            assert!(!token.has_address_of(&another) && token.address_key() != another.address_key());
        }
    }

    #[test]
    fn an_app_fits_into_a_url_and_a_header() {
        for text in ["com.example.app", "my-project-1", "example.com:project"] {
            assert!(App::parse(text).is_some(), "{text}");
        }
        for text in ["", "..", "a/b", "a b", "a\r\nb", "é", &"a".repeat(ID_BYTES + 1)] {
            assert_eq!(App::parse(text), None, "{text}");
        }
    }

    #[test]
    fn keys_fit_into_dynamodb() {
        let id = "#".repeat(ID_BYTES);
        assert!(User::parse(&id, &id).unwrap().key().len() <= 2_048);
        assert!(DeviceId::parse(&id).unwrap().key().len() <= 1_024);
    }

    #[test]
    fn a_token_is_not_printed() {
        let token = PushToken::parse(Platform::Fcm, "my-token").unwrap();
        assert_eq!(format!("{token:?}"), "PushToken(..)");
    }

    proptest! {
        #[test]
        fn two_different_users_never_share_a_key(
            one in ("[a#%2-5]{1,6}", "[a#%2-5]{1,6}"), other in ("[a#%2-5]{1,6}", "[a#%2-5]{1,6}"),
        ) {
            let user = |(service, id): &(String, String)| User::parse(service, id).unwrap();
            prop_assert_eq!(user(&one).key() == user(&other).key(), one == other);
        }

        #[test]
        fn what_is_parsed_is_what_was_written(text in "\\PC{0,40}") {
            if let Some(id) = DeviceId::parse(&text) {
                prop_assert_eq!(id.as_str(), text.as_str());
            }
            for platform in Platform::ALL {
                prop_assert_eq!(Platform::parse(platform.as_str()), Some(platform));
                if let Some(token) = PushToken::parse(platform, &text) {
                    prop_assert_eq!(PushToken::parse(platform, token.reveal()), Some(token.clone()));
                }
            }
        }

        #[test]
        fn an_address_is_a_platform_and_a_token(
            tokens in ("[a-f]{1,3}", "[a-f]{1,3}"), platforms in (0_usize..3, 0_usize..3),
            app in "[a-z]{1,3}",
        ) {
            let address = |platform: usize, token: &str, app: &str| {
                let platform = Platform::ALL[platform];
                let token = PushToken::parse(platform, token).unwrap();
                Registration { platform, token, app: App::parse(app).unwrap() }
            };
            let one = address(platforms.0, &tokens.0, &app);
            let other = address(platforms.1, &tokens.1, "other");
            let same = platforms.0 == platforms.1 && tokens.0 == tokens.1;
            prop_assert_eq!(one.address_key() == other.address_key(), same);
            prop_assert_eq!(one.has_address_of(&other), same);
        }
    }
}
