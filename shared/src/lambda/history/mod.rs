//! The HTTP API of calls: an app server reads all of them, an app the calls of its own user.
//!
//! A request walks one way. [`request`] reads an event into a [`Command`], or refuses it. The tables are read
//! as the command says. [`answer`] makes status, headers and body of what was found. The API is described in
//! docs/history.openapi.yaml.

pub mod answer;
pub mod csv;
pub mod parameters;
pub mod request;
pub mod shown;

use serde_json::{Map, Value};

use crate::aws::{Failure, Service, budget};
use crate::call::model::{Arrival, Moment, SessionId};
use crate::history::figures::{self, Figures, Period};
use crate::history::read::dynamodb::DynamoDbCalls;
use crate::history::read::live::{self, LiveCall, live_calls};
use crate::history::read::{Cursor, Page, ReadCalls, Rows, Span};
use crate::history::row::{CallRow, UserRow};
use crate::lambda::api::answer::Answer;
use crate::lambda::api::event::ApiEvent;
use crate::lambda::api::{Api, HandledRequest, Words};
use crate::lambda::history::answer::Wanted;
use crate::lambda::history::request::{Asked, Command, Refused, Route, TokenUsers};
use crate::lambda::history::shown::{CallDetails, Reader};
use crate::lambda::settings::HistorySettings;

/// Events of a LINE group that are read for its people: one query.
const PEOPLES_EVENTS: u32 = 1_000;

/// What became of a request.
#[derive(Debug)]
pub enum HistoryOutcome {
    UsersCalls(Rows<UserRow>, Reader),
    Unseen {
        unseen: u32,
        seen_at: Option<Moment>,
    },
    /// It is kept that the user looks now.
    Seen,
    Calls(Rows<CallRow>),
    Call(Box<CallDetails>),
    Events(Rows<Map<String, Value>>),
    Live(Rows<LiveCall>),
    Figures(Rows<(Period, Figures)>),
    UnknownCall,
    Refused(Refused),
    /// DynamoDB failed, throttled or was too slow.
    Unavailable(Failure),
    /// A bug: the handler panicked.
    Panicked,
}

impl HistoryOutcome {
    /// The stable code to filter by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UsersCalls(..)
            | Self::Unseen { .. }
            | Self::Calls(_)
            | Self::Call(_)
            | Self::Events(_)
            | Self::Live(_)
            | Self::Figures(_) => "found",
            Self::Seen => "seen",
            Self::UnknownCall => "unknown_call",
            Self::Refused(refused) => refused.code(),
            Self::Unavailable(_) => "calls_unavailable",
            Self::Panicked => "panicked",
        }
    }

    /// AWS's error code with our message.
    pub fn error(&self) -> Option<String> {
        if let Self::Unavailable(failure) = self { Some(failure.to_string()) } else { None }
    }

    /// The parameter that a refusal is about.
    pub fn parameter(&self) -> Option<&'static str> {
        if let Self::Refused(refused) = self { refused.parameter() } else { None }
    }
}

/// A request that was handled.
#[derive(Debug)]
pub struct Handled {
    /// `None` for an unknown address or method.
    pub route: Option<Route>,
    pub outcome: HistoryOutcome,
}

impl HandledRequest for Handled {
    const WORDS: Words = Words {
        message: "history",
        duration: "history_request_ms",
        count: "history_requests",
        part: "parameter",
    };

    fn panicked() -> Self {
        HistoryOutcome::Panicked.into()
    }

    fn asked(&self) -> Option<(&'static str, &'static str)> {
        self.route.map(|route| (route.template(), route.operation()))
    }

    fn code(&self) -> &'static str {
        self.outcome.code()
    }

    fn refused_part(&self) -> Option<&'static str> {
        self.outcome.parameter()
    }

    fn error(&self) -> Option<String> {
        self.outcome.error()
    }

    fn answer(&self, event: &ApiEvent) -> Answer {
        answer::answer(&self.outcome, &Wanted::by(event))
    }
}

impl From<HistoryOutcome> for Handled {
    fn from(outcome: HistoryOutcome) -> Self {
        Self { route: None, outcome }
    }
}

/// Answers requests for calls.
#[derive(Debug)]
pub struct HistoryApi<C> {
    calls: C,
    /// `None`: no app reads the calls of its user.
    token_users: Option<TokenUsers>,
    stale_hours: u64,
}

impl HistoryApi<DynamoDbCalls> {
    /// An API with an open connection to its tables.
    pub async fn connect(settings: HistorySettings) -> Self {
        let HistorySettings { tables, shards, stale_hours, token_users, aws } = settings;
        let dynamodb = aws.dynamodb(budget::READ);
        let api = Self::new(DynamoDbCalls::new(dynamodb.client, tables, shards), token_users, stale_hours);
        dynamodb.connections.open().await;
        api
    }
}

impl<C: ReadCalls> Api for HistoryApi<C> {
    type Handled = Handled;

    async fn handle(&self, event: &ApiEvent, now: Arrival) -> Handled {
        let asked = match Asked::find(event, self.token_users.as_ref()) {
            Ok(asked) => asked,
            Err(refused) => return HistoryOutcome::Refused(refused).into(),
        };
        let outcome = match asked.command(now) {
            Ok(command) => self.in_time(asked.route, command, now).await,
            Err(refused) => HistoryOutcome::Refused(refused),
        };
        Handled { route: Some(asked.route), outcome }
    }
}

impl<C: ReadCalls> HistoryApi<C> {
    pub fn new(calls: C, token_users: Option<TokenUsers>, stale_hours: u64) -> Self {
        Self { calls, token_users, stale_hours }
    }

    async fn in_time(&self, route: Route, command: Command, now: Arrival) -> HistoryOutcome {
        let reading = tokio::time::timeout(budget::READ_LIMIT, self.read(route, command, now)).await;
        let result = reading.unwrap_or(Err(Failure::TooSlow(Service::DynamoDb)));
        result.unwrap_or_else(HistoryOutcome::Unavailable)
    }

    async fn read(&self, route: Route, command: Command, now: Arrival) -> Result<HistoryOutcome, Failure> {
        let calls = &self.calls;
        Ok(match command {
            Command::UsersCalls(user, missed, page) => {
                let reader = if route == Route::OwnCalls { Reader::User } else { Reader::AppServer };
                HistoryOutcome::UsersCalls(calls.users_calls(&user, missed, &page, now).await?, reader)
            }
            Command::Unseen(user) => {
                let (unseen, seen_at) = calls.unseen(&user, now).await?;
                HistoryOutcome::Unseen { unseen, seen_at }
            }
            Command::See(user) => {
                calls.see(&user, now).await?;
                HistoryOutcome::Seen
            }
            Command::Calls(span, filter, page) => {
                HistoryOutcome::Calls(calls.calls(span, &filter, &page, now).await?)
            }
            Command::Call(session) => self.call(&session, now).await?,
            Command::Events(session, page) => self.events(&session, &page, now).await?,
            Command::RoomsCalls(key, page) => {
                let rows = calls.rooms_calls(key.provider, &key.service, &key.room, &page, now).await?;
                HistoryOutcome::Calls(rows)
            }
            Command::LiveRooms(after) => {
                let live = live_calls(calls.live(now).await?, self.stale_hours, now);
                HistoryOutcome::Live(live::page(live, after.as_ref(), answer::bytes_of_live))
            }
            Command::Figures(span, by, after) => {
                // What is before the cursor's time was read before.
                let from = after.as_ref().and_then(Cursor::time).map_or(span.from, |at| at.max(span.from));
                let figures = calls.figures(Span { from, ..span }, by, now).await?;
                HistoryOutcome::Figures(figures::page(figures, after.as_ref(), answer::bytes_of_figures))
            }
        })
    }

    async fn call(&self, session: &SessionId, now: Arrival) -> Result<HistoryOutcome, Failure> {
        let Some(item) = self.calls.call(session, now).await? else { return Ok(HistoryOutcome::UnknownCall) };
        let page = Page { limit: PEOPLES_EVENTS, after: None };
        let Rows { rows, next } = if CallDetails::has_people_in_events(&item) {
            self.calls.events(session, &page, now).await?
        } else {
            Rows { rows: Vec::new(), next: None }
        };
        let details = CallDetails::new(item, &rows, next.is_none());
        Ok(HistoryOutcome::Call(Box::new(details)))
    }

    async fn events(
        &self,
        session: &SessionId,
        page: &Page,
        now: Arrival,
    ) -> Result<HistoryOutcome, Failure> {
        let events = self.calls.events(session, page, now).await?;
        let known = !events.rows.is_empty() || self.calls.call(session, now).await?.is_some();
        Ok(if known { HistoryOutcome::Events(events) } else { HistoryOutcome::UnknownCall })
    }
}
