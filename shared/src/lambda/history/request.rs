//! A request for calls, read into a [`Command`]. Whose calls it may see comes from the claim or from the
//! path, and from nothing else.

use std::fmt;

use crate::call::model::{Arrival, SessionId};
use crate::history::key::UserKey;
use crate::history::read::{By, Cursor, Filter, Page, Span};
use crate::lambda::api::event::{ApiEvent, Caller};
use crate::lambda::api::jwt::JwtUsers;
use crate::lambda::history::parameters::{Asking, LONGEST_DAYS, id};
use crate::ring::device::User;

/// The addresses of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The calls of the user whose token signs the request.
    OwnCalls,
    /// How many calls that user missed since they last looked.
    OwnMissed,
    /// That user looks now.
    OwnSeen,
    Calls,
    Call,
    Events,
    UsersCalls,
    RoomsCalls,
    LiveRooms,
    Stats,
}

impl Route {
    /// The address in the notation of API Gateway and OpenAPI.
    pub fn template(self) -> &'static str {
        match self {
            Self::OwnCalls => "/me/calls",
            Self::OwnMissed => "/me/missed",
            Self::OwnSeen => "/me/seen",
            Self::Calls => "/calls",
            Self::Call => "/calls/{sid}",
            Self::Events => "/calls/{sid}/events",
            Self::UsersCalls => "/users/{service}/{user}/calls",
            Self::RoomsCalls => "/rooms/{service}/{room}/calls",
            Self::LiveRooms => "/rooms/live",
            Self::Stats => "/stats",
        }
    }

    /// The word in logs and metrics.
    pub fn operation(self) -> &'static str {
        match self {
            Self::OwnCalls => "own_calls",
            Self::OwnMissed => "own_missed",
            Self::OwnSeen => "own_seen",
            Self::Calls => "calls",
            Self::Call => "call",
            Self::Events => "events",
            Self::UsersCalls => "users_calls",
            Self::RoomsCalls => "rooms_calls",
            Self::LiveRooms => "live_rooms",
            Self::Stats => "stats",
        }
    }

    /// The method that it takes.
    pub fn method(self) -> &'static str {
        if self == Self::OwnSeen { "PUT" } else { "GET" }
    }

    /// How a request proves who asks, as in a `WWW-Authenticate` header.
    pub fn scheme(self) -> &'static str {
        if self.is_users_own() { "Bearer" } else { "AWS4-HMAC-SHA256" }
    }

    /// Only the user whose token signs the request may ask.
    fn is_users_own(self) -> bool {
        matches!(self, Self::OwnCalls | Self::OwnMissed | Self::OwnSeen)
    }

    /// The parameters that it takes.
    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::OwnCalls => &["missed", "limit", "cursor"],
            Self::Calls => &["from", "to", "outcome", "kind", "media", "service", "limit", "cursor"],
            Self::Events => &["limit", "cursor"],
            Self::UsersCalls => &["provider", "missed", "limit", "cursor"],
            Self::RoomsCalls => &["provider", "limit", "cursor"],
            Self::Stats => &["by", "from", "to", "cursor"],
            Self::LiveRooms => &["cursor"],
            Self::OwnMissed | Self::OwnSeen | Self::Call => &[],
        }
    }
}

/// What is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A user's calls, or only the missed ones.
    UsersCalls(UserKey, bool, Page),
    Unseen(UserKey),
    See(UserKey),
    Calls(Span, Filter, Page),
    Call(SessionId),
    Events(SessionId, Page),
    RoomsCalls(RoomKey, Page),
    /// The live calls after a cursor.
    LiveRooms(Option<Cursor>),
    /// Figures after a cursor.
    Figures(Span, By, Option<Cursor>),
}

/// A room of a service.
#[derive(Clone, PartialEq, Eq)]
pub struct RoomKey {
    pub provider: &'static str,
    pub service: String,
    pub room: String,
}

impl fmt::Debug for RoomKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RoomKey(..)")
    }
}

/// Why a request is refused. The message is for the developer who sent it, and repeats nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("There is nothing at this address.")]
    UnknownUrl,
    #[error("This address takes {} only.", .0.method())]
    WrongMethod(Route),
    #[error("The request does not prove who sends it.")]
    NotAuthenticated(Route),
    #[error("Who sends the request may not use this address.")]
    NotAllowed,
    #[error("The token's claim that names the user is missing or unusable.")]
    UnusableClaim,
    #[error("The address does not take one of the parameters.")]
    UnknownParameter,
    #[error("The query is too long.")]
    QueryTooLong,
    #[error("It must be at most {LONGEST_DAYS} days before `to`.")]
    TooManyDays,
    #[error("{}", expected(.0))]
    UnusableParameter(&'static str),
}

/// What a parameter must be.
fn expected(parameter: &str) -> &'static str {
    match parameter {
        "limit" => "It must be a number from 1 to 100.",
        "cursor" => "It must be the cursor of an earlier answer.",
        "from" => "It must be a time as RFC 3339 or in milliseconds since 1970, and not after `to`.",
        "to" => "It must be a time as RFC 3339 or in milliseconds since 1970.",
        "missed" => "It must be true or false.",
        "outcome" => {
            "It must be answered, missed, rejected, canceled, busy, answered_elsewhere, failed or unknown."
        }
        "kind" => "It must be one-to-one or group.",
        "media" => "It must be audio or video.",
        "by" => "It must be hour or day.",
        "provider" => "It must be line or tencent.",
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
            Self::UnknownParameter => "unknown_parameter",
            Self::QueryTooLong => "too_long",
            Self::TooManyDays => "too_many_days",
            Self::UnusableParameter(_) => "unusable_parameter",
        }
    }

    /// The parameter that it is about, in the query or in the path.
    pub fn parameter(self) -> Option<&'static str> {
        match self {
            Self::UnusableParameter(parameter) => Some(parameter),
            Self::TooManyDays => Some("from"),
            _ => None,
        }
    }
}

/// The users whose tokens open their own calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenUsers {
    pub users: JwtUsers,
    /// The vendor that knows these users.
    pub provider: &'static str,
}

/// A request whose address and method are known, and nothing else yet.
pub struct Asked<'a> {
    pub route: Route,
    event: &'a ApiEvent,
    /// The ids in the path, as they stand there.
    ids: [&'a str; 2],
    token_users: Option<&'a TokenUsers>,
}

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Asked({:?})", self.route)
    }
}

impl<'a> Asked<'a> {
    /// Finds the address. Without `token_users` there are no calls of one's own.
    ///
    /// # Errors
    /// [`Refused::UnknownUrl`] or [`Refused::WrongMethod`].
    pub fn find(event: &'a ApiEvent, token_users: Option<&'a TokenUsers>) -> Result<Self, Refused> {
        let (route, ids) = match *event.path(&["me", "calls", "users", "rooms", "stats"]).as_slice() {
            ["me", "calls"] => (Route::OwnCalls, [""; 2]),
            ["me", "missed"] => (Route::OwnMissed, [""; 2]),
            ["me", "seen"] => (Route::OwnSeen, [""; 2]),
            ["calls"] => (Route::Calls, [""; 2]),
            ["calls", sid] => (Route::Call, [sid, ""]),
            ["calls", sid, "events"] => (Route::Events, [sid, ""]),
            ["users", service, user, "calls"] => (Route::UsersCalls, [service, user]),
            ["rooms", service, room, "calls"] => (Route::RoomsCalls, [service, room]),
            ["rooms", "live"] => (Route::LiveRooms, [""; 2]),
            ["stats"] => (Route::Stats, [""; 2]),
            _ => return Err(Refused::UnknownUrl),
        };
        if route.is_users_own() && token_users.is_none() {
            return Err(Refused::UnknownUrl);
        }
        if event.method() != route.method() {
            return Err(Refused::WrongMethod(route));
        }
        Ok(Self { route, event, ids, token_users })
    }

    /// Reads who asks, the ids and the parameters.
    ///
    /// # Errors
    /// What the request is refused for.
    pub fn command(&self, now: Arrival) -> Result<Command, Refused> {
        let own = self.own_user()?;
        let asking = Asking::parse(self.event.query(), self.route.parameters())?;
        Ok(match (self.route, own) {
            (Route::OwnCalls, Some(user)) => Command::UsersCalls(user, asking.missed()?, asking.page()?),
            (Route::OwnMissed, Some(user)) => Command::Unseen(user),
            (Route::OwnSeen, Some(user)) => Command::See(user),
            (Route::OwnCalls | Route::OwnMissed | Route::OwnSeen, None) => return Err(Refused::NotAllowed),
            (Route::Calls, _) => Command::Calls(asking.span(now)?, asking.filter()?, asking.page()?),
            (Route::Call, _) => Command::Call(self.session()?),
            (Route::Events, _) => Command::Events(self.session()?, asking.page()?),
            (Route::UsersCalls, _) => {
                Command::UsersCalls(self.user(&asking)?, asking.missed()?, asking.page()?)
            }
            (Route::RoomsCalls, _) => Command::RoomsCalls(self.room(&asking)?, asking.page()?),
            (Route::LiveRooms, _) => Command::LiveRooms(asking.cursor()?),
            (Route::Stats, _) => Command::Figures(asking.span(now)?, asking.by()?, asking.cursor()?),
        })
    }

    /// The user whose token signs the request, at the addresses of users' own.
    fn own_user(&self) -> Result<Option<UserKey>, Refused> {
        match (Caller::of(self.event), self.route.is_users_own()) {
            (Caller::Unknown, _) => Err(Refused::NotAuthenticated(self.route)),
            (Caller::AppServer, false) => Ok(None),
            (Caller::App(claims), true) => {
                let TokenUsers { users, provider } = self.token_users.ok_or(Refused::UnknownUrl)?;
                let user = users.user(claims).ok_or(Refused::UnusableClaim)?;
                Ok(Some(user_key(provider, &user)))
            }
            _ => Err(Refused::NotAllowed),
        }
    }

    fn session(&self) -> Result<SessionId, Refused> {
        let [sid, _] = self.ids;
        self.id("sid", sid, SessionId::parse)
    }

    fn user(&self, asking: &Asking) -> Result<UserKey, Refused> {
        let [service, user] = self.ids;
        let service = self.id("service", service, id)?;
        let user = self.id("user", user, |user| User::parse(&service, user))?;
        Ok(user_key(asking.provider(&service)?, &user))
    }

    fn room(&self, asking: &Asking) -> Result<RoomKey, Refused> {
        let [service, room] = self.ids;
        let service = self.id("service", service, id)?;
        let room = self.id("room", room, id)?;
        Ok(RoomKey { provider: asking.provider(&service)?, service, room })
    }

    fn id<T>(
        &self,
        parameter: &'static str,
        segment: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Refused> {
        self.event.id(segment, parse).ok_or(Refused::UnusableParameter(parameter))
    }
}

fn user_key(provider: &str, user: &User) -> UserKey {
    let (service, user) = (user.service.clone(), user.id.reveal().to_owned());
    UserKey { provider: provider.to_owned(), service, user }
}
