//! A request to the registry, read into a [`Command`]. With the app server's signature the path names the
//! user, and with an app's token the user is a claim of that token.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

use crate::lambda::api::event::{ApiEvent, Caller, UnreadableBody};
use crate::lambda::api::jwt::JwtUsers;
use crate::ring::device::{App, DeviceId, Platform, PushToken, Registration, User};

/// Bytes of a body: a token of [`TOKEN_BYTES`](crate::ring::device::TOKEN_BYTES) and all the rest.
pub const BODY_BYTES: usize = 16_384;

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
        let (route, segments) = match *event.path(&["users", "devices"]).as_slice() {
            ["users", service, user, "devices", device] => {
                (Route::UsersDevice, Segments { service, user, device })
            }
            ["users", service, user, "devices"] => {
                (Route::UsersDevices, Segments { service, user, device: "" })
            }
            ["devices", device] if jwt_users.is_some() => {
                (Route::OwnDevice, Segments { device, ..Segments::default() })
            }
            _ => return Err(Refused::UnknownUrl),
        };
        let operation = match (route, event.method()) {
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
        let device = self.id(self.segments.device, "device", DeviceId::parse)?;
        Ok(match self.operation {
            Operation::Register => Command::Register(user, device, registration(&self.body()?)?),
            Operation::Remove => Command::Remove(user, device),
            Operation::Show | Operation::List => Command::Show(user, device),
        })
    }

    fn user(&self) -> Result<User, Refused> {
        match (self.route, Caller::of(self.event)) {
            (route, Caller::Unknown) => Err(Refused::NotAuthenticated(route)),
            (Route::UsersDevices | Route::UsersDevice, Caller::AppServer) => {
                let service = self.id(self.segments.service, "service", |text| Some(text.to_owned()))?;
                self.id(self.segments.user, "user", |user| User::parse(&service, user))
            }
            (Route::OwnDevice, Caller::App(claims)) => {
                let jwt_users = self.jwt_users.ok_or(Refused::UnknownUrl)?;
                jwt_users.user(claims).ok_or(Refused::UnusableClaim)
            }
            _ => Err(Refused::NotAllowed),
        }
    }

    fn id<T>(
        &self,
        segment: &str,
        field: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Refused> {
        self.event.id(segment, parse).ok_or(Refused::UnusableField(field))
    }

    fn body(&self) -> Result<Cow<'a, str>, Refused> {
        self.event.body(BODY_BYTES).map_err(|unreadable| match unreadable {
            UnreadableBody::TooLong => Refused::BodyTooLong,
            UnreadableBody::NotText => Refused::NotJson,
        })
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
