//! A request to the registry: an event of API Gateway or of a function URL, read into a [`Command`].
//!
//! API Gateway and function URLs have checked who asks before the function runs, and say so in
//! `requestContext.authorizer`. The function trusts nothing else: with the app server's signature the
//! path names the user, and with an app's token the user is a claim of that token.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::ring::device::{App, DeviceId, Platform, PushToken, Registration, User};

/// Bytes of a body: a token of [`TOKEN_BYTES`](crate::ring::device::TOKEN_BYTES) and all the rest.
pub const BODY_BYTES: usize = 16_384;

/// Marks events of function URLs, which leave a path percent-encoded. API Gateway decodes it.
const FUNCTION_URL: &str = "$default";

/// What the function reads of an event (payload format 2.0). Reading never fails: an event that is
/// not a request has no path, and an unknown path is a 404.
#[derive(Default)]
pub struct ApiEvent {
    fields: EventFields,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct EventFields {
    raw_path: Option<String>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
    request_context: Context,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Context {
    route_key: Option<String>,
    http: Http,
    authorizer: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Http {
    method: Option<String>,
}

impl<'de> Deserialize<'de> for ApiEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self { fields: serde_json::from_str(event.get()).unwrap_or_default() })
    }
}

impl fmt::Debug for ApiEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiEvent(..)")
    }
}

impl ApiEvent {
    fn id<T>(
        &self,
        segment: &str,
        field: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Refused> {
        let is_encoded = self.fields.request_context.route_key.as_deref() == Some(FUNCTION_URL);
        let text = if is_encoded {
            percent_decode_str(segment).decode_utf8().map_err(|_| Refused::UnusableField(field))?
        } else {
            Cow::Borrowed(segment)
        };
        parse(&text).ok_or(Refused::UnusableField(field))
    }

    fn body(&self) -> Result<Cow<'_, str>, Refused> {
        let text = self.fields.body.as_deref().unwrap_or_default();
        if !self.fields.is_base64_encoded.unwrap_or_default() {
            return if text.len() > BODY_BYTES { Err(Refused::BodyTooLong) } else { Ok(text.into()) };
        }
        if text.len() > BODY_BYTES.div_ceil(3) * 4 {
            return Err(Refused::BodyTooLong);
        }
        let bytes = STANDARD.decode(text).map_err(|_| Refused::NotJson)?;
        String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Refused::NotJson)
    }
}

/// The addresses of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// All devices of a user.
    UsersDevices,
    /// One device of a user.
    UsersDevice,
    /// One device of the user whose token signs the request.
    OwnDevice,
}

impl Route {
    /// The address in the notation of API Gateway and OpenAPI.
    pub fn template(self) -> &'static str {
        match self {
            Self::UsersDevices => "/users/{service}/{user}/devices",
            Self::UsersDevice => "/users/{service}/{user}/devices/{device}",
            Self::OwnDevice => "/devices/{device}",
        }
    }

    /// The methods that it takes, as in an `Allow` header.
    pub fn methods(self) -> &'static str {
        match self {
            Self::UsersDevices => "GET",
            Self::UsersDevice => "GET, PUT, DELETE",
            Self::OwnDevice => "PUT, DELETE",
        }
    }

    /// How a request proves who asks, as in a `WWW-Authenticate` header.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::UsersDevices | Self::UsersDevice => "AWS4-HMAC-SHA256",
            Self::OwnDevice => "Bearer",
        }
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Register,
    Remove,
    Show,
    List,
}

impl Operation {
    /// The word in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Remove => "remove",
            Self::Show => "show",
            Self::List => "list",
        }
    }
}

/// What the registry is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Register(User, DeviceId, Registration),
    Remove(User, DeviceId),
    Show(User, DeviceId),
    List(User),
}

/// Why a request is refused. The message is for the developer who sent it, and repeats nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("There is nothing at this address.")]
    UnknownUrl,
    #[error("This address takes {} only.", .0.methods())]
    WrongMethod(Route),
    #[error("The request does not prove who sends it.")]
    NotAuthenticated(Route),
    #[error("Who sends the request may not use this address.")]
    NotAllowed,
    #[error("The token's claim that names the user is missing or unusable.")]
    UnusableClaim,
    #[error("The field is missing or not a string.")]
    MissingField(&'static str),
    #[error("{}", expected(.0))]
    UnusableField(&'static str),
    #[error("The body has a member that is not one of platform, token and app.")]
    UnknownField,
    #[error("The body is not a JSON object.")]
    NotJson,
    #[error("The body is longer than {BODY_BYTES} bytes.")]
    BodyTooLong,
}

/// What a field must be.
fn expected(field: &str) -> &'static str {
    match field {
        "platform" => "It must be apns_voip, apns_voip_sandbox or fcm.",
        "token" => {
            "It must be a push token of the platform, at most 8,192 characters: Apple's are hex digits, \
             Google's are letters, digits, _, :, . and -."
        }
        "app" => {
            "It must be the app's bundle id or the Firebase project's id: letters, digits, ., _, : and -."
        }
        _ => "It must be an id of at most 256 bytes without control characters.",
    }
}

impl Refused {
    /// The stable code to filter by, in logs and answers.
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownUrl => "unknown_url",
            Self::WrongMethod(_) => "wrong_method",
            Self::NotAuthenticated(_) => "not_authenticated",
            Self::NotAllowed => "not_allowed",
            Self::UnusableClaim => "unusable_claim",
            Self::MissingField(_) => "missing_field",
            Self::UnusableField(_) => "unusable_field",
            Self::UnknownField => "unknown_field",
            Self::NotJson => "not_json",
            Self::BodyTooLong => "too_long",
        }
    }

    /// The field that it is about.
    pub fn field(self) -> Option<&'static str> {
        match self {
            Self::MissingField(field) | Self::UnusableField(field) => Some(field),
            Self::UnknownField | Self::NotJson | Self::BodyTooLong => Some("body"),
            _ => None,
        }
    }
}

/// How the token of an app names its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtUsers {
    service: String,
    claim: String,
}

impl JwtUsers {
    /// The users of a service, each named by a claim. `None` if no user can belong to the service.
    pub fn new(service: &str, claim: &str) -> Option<Self> {
        User::parse(service, "any")?;
        Some(Self { service: service.to_owned(), claim: claim.to_owned() })
    }

    fn user(&self, claims: &Map<String, Value>) -> Result<User, Refused> {
        let id = claims.get(&self.claim).and_then(Value::as_str).ok_or(Refused::UnusableClaim)?;
        User::parse(&self.service, id).ok_or(Refused::UnusableClaim)
    }
}

/// Who asks.
enum Caller<'a> {
    Unknown,
    /// AWS has checked a signature, and the policies behind it.
    AppServer,
    /// The gateway has checked a token. These are its claims.
    App(&'a Map<String, Value>),
}

impl<'a> Caller<'a> {
    fn of(event: &'a ApiEvent) -> Self {
        let authorizer = &event.fields.request_context.authorizer;
        let object = |value: &'a Value| value.as_object().filter(|members| !members.is_empty());
        let iam = authorizer.get("iam").and_then(object);
        let claims = authorizer.get("jwt").and_then(|jwt| jwt.get("claims")).and_then(object);
        match (iam, claims) {
            (Some(_), _) => Self::AppServer,
            (None, Some(claims)) => Self::App(claims),
            (None, None) => Self::Unknown,
        }
    }
}

/// A request whose address and method are known, and nothing else yet.
#[derive(Debug)]
pub struct Asked<'a> {
    pub route: Route,
    pub operation: Operation,
    event: &'a ApiEvent,
    segments: Segments<'a>,
    jwt_users: Option<&'a JwtUsers>,
}

/// The ids in a path, as they stand there.
#[derive(Default)]
struct Segments<'a> {
    service: &'a str,
    user: &'a str,
    device: &'a str,
}

impl fmt::Debug for Segments<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Segments(..)")
    }
}

impl<'a> Asked<'a> {
    /// Finds the address. Without `jwt_users` an app has none of its own.
    ///
    /// # Errors
    /// [`Refused::UnknownUrl`] or [`Refused::WrongMethod`].
    pub fn find(event: &'a ApiEvent, jwt_users: Option<&'a JwtUsers>) -> Result<Self, Refused> {
        let path: Vec<&str> = event.fields.raw_path.as_deref().unwrap_or_default().split('/').collect();
        // A stage or base path may come before it.
        let (route, segments) = match *path.as_slice() {
            [.., "users", service, user, "devices", device] => {
                (Route::UsersDevice, Segments { service, user, device })
            }
            [.., "users", service, user, "devices"] => {
                (Route::UsersDevices, Segments { service, user, device: "" })
            }
            [.., "devices", device] if jwt_users.is_some() => {
                (Route::OwnDevice, Segments { device, ..Segments::default() })
            }
            _ => return Err(Refused::UnknownUrl),
        };
        let method = event.fields.request_context.http.method.as_deref().unwrap_or_default();
        let operation = match (route, method) {
            (Route::UsersDevices, "GET") => Operation::List,
            (Route::UsersDevice, "GET") => Operation::Show,
            (Route::UsersDevice | Route::OwnDevice, "PUT") => Operation::Register,
            (Route::UsersDevice | Route::OwnDevice, "DELETE") => Operation::Remove,
            _ => return Err(Refused::WrongMethod(route)),
        };
        Ok(Self { route, operation, event, segments, jwt_users })
    }

    /// Reads who asks, the ids and the body.
    ///
    /// # Errors
    /// What the request is refused for.
    pub fn command(&self) -> Result<Command, Refused> {
        let user = self.user()?;
        if self.operation == Operation::List {
            return Ok(Command::List(user));
        }
        let device = self.event.id(self.segments.device, "device", DeviceId::parse)?;
        Ok(match self.operation {
            Operation::Register => Command::Register(user, device, registration(&self.event.body()?)?),
            Operation::Remove => Command::Remove(user, device),
            Operation::Show | Operation::List => Command::Show(user, device),
        })
    }

    fn user(&self) -> Result<User, Refused> {
        match (self.route, Caller::of(self.event)) {
            (route, Caller::Unknown) => Err(Refused::NotAuthenticated(route)),
            (Route::UsersDevices | Route::UsersDevice, Caller::AppServer) => {
                let service =
                    self.event.id(self.segments.service, "service", |text| Some(text.to_owned()))?;
                self.event.id(self.segments.user, "user", |user| User::parse(&service, user))
            }
            (Route::OwnDevice, Caller::App(claims)) => {
                self.jwt_users.ok_or(Refused::UnknownUrl)?.user(claims)
            }
            _ => Err(Refused::NotAllowed),
        }
    }
}

/// Reads the body of a registration.
///
/// # Errors
/// What is wrong with it, and in which field.
pub fn registration(body: &str) -> Result<Registration, Refused> {
    let members: Map<String, Value> = serde_json::from_str(body).map_err(|_| Refused::NotJson)?;
    if members.keys().any(|name| !["platform", "token", "app"].contains(&name.as_str())) {
        return Err(Refused::UnknownField);
    }
    let text = |field| members.get(field).and_then(Value::as_str).ok_or(Refused::MissingField(field));
    let (platform, token, app) = (text("platform")?, text("token")?, text("app")?);
    let unusable = Refused::UnusableField;
    let platform = Platform::parse(platform).ok_or(unusable("platform"))?;
    let token = PushToken::parse(platform, token).ok_or(unusable("token"))?;
    let app = App::parse(app).ok_or(unusable("app"))?;
    Ok(Registration { platform, token, app })
}
