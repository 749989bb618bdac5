//! The HTTP API of the registry of devices: an app server registers its users' phones, or, with JWT
//! routes, an app registers its own.
//!
//! A request walks one way. [`request`] reads an event into a [`Command`], or refuses it. The registry
//! does what the command says. [`answer`] makes status, headers and body of what became of it. The API
//! is described in docs/devices.openapi.yaml.

pub mod answer;
pub mod request;

use crate::aws::{Failure, budget};
use crate::call::model::Arrival;
use crate::lambda::api::answer::Answer;
use crate::lambda::api::event::ApiEvent;
use crate::lambda::api::jwt::JwtUsers;
use crate::lambda::api::{Api, HandledRequest, Words};
use crate::lambda::devices::request::{Asked, Command, Operation, Refused, Route};
use crate::lambda::settings::DevicesSettings;
use crate::ring::device::{Device, DeviceId, User};
use crate::ring::devices_table::DynamoDbDevices;
use crate::ring::registry::{FindDevices, Forget, Register, Registered, Registry};

/// What became of a request.
#[derive(Debug)]
pub enum DevicesOutcome {
    /// The device is new.
    Registered,
    /// The device was registered already; it expires later now.
    Renewed,
    /// The device is not registered any more, or never was.
    Removed,
    Shown(Device),
    /// Every device of a user, the newest first.
    Listed(Vec<Device>),
    /// There is no such device to show.
    NotRegistered,
    Refused(Refused),
    /// DynamoDB failed or was too slow. Nothing is half done.
    Unavailable(Failure),
    /// A bug: the handler panicked.
    Panicked,
}

impl DevicesOutcome {
    /// The stable code to filter by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Renewed => "renewed",
            Self::Removed => "removed",
            Self::Shown(_) => "shown",
            Self::Listed(_) => "listed",
            Self::NotRegistered => "not_registered",
            Self::Refused(refused) => refused.code(),
            Self::Unavailable(_) => "registry_unavailable",
            Self::Panicked => "panicked",
        }
    }

    /// AWS's error code with our message.
    pub fn error(&self) -> Option<String> {
        if let Self::Unavailable(failure) = self { Some(failure.to_string()) } else { None }
    }

    /// The field that a refusal is about.
    pub fn field(&self) -> Option<&'static str> {
        if let Self::Refused(refused) = self { refused.field() } else { None }
    }
}

/// A request that was handled.
#[derive(Debug)]
pub struct Handled {
    /// What it asked for; `None` for an unknown address or method.
    pub asked: Option<(Route, Operation)>,
    pub outcome: DevicesOutcome,
}

impl HandledRequest for Handled {
    const WORDS: Words =
        Words { message: "device", duration: "device_request_ms", count: "device_requests", part: "field" };

    fn panicked() -> Self {
        DevicesOutcome::Panicked.into()
    }

    fn asked(&self) -> Option<(&'static str, &'static str)> {
        self.asked.map(|(route, operation)| (route.template(), operation.as_str()))
    }

    fn code(&self) -> &'static str {
        self.outcome.code()
    }

    fn refused_part(&self) -> Option<&'static str> {
        self.outcome.field()
    }

    fn error(&self) -> Option<String> {
        self.outcome.error()
    }

    fn answer(&self, _: &ApiEvent) -> Answer {
        answer::answer(&self.outcome)
    }
}

impl From<DevicesOutcome> for Handled {
    fn from(outcome: DevicesOutcome) -> Self {
        Self { asked: None, outcome }
    }
}

/// Answers requests from a registry.
#[derive(Debug)]
pub struct DevicesApi<R> {
    registry: R,
    jwt_users: Option<JwtUsers>,
}

impl DevicesApi<Registry<DynamoDbDevices>> {
    /// An API with an open connection to its table.
    pub async fn connect(settings: DevicesSettings) -> Self {
        let DevicesSettings { table, jwt_users, aws } = settings;
        let dynamodb = aws.dynamodb(budget::REGISTER);
        let table = DynamoDbDevices::new(dynamodb.client, table);
        let api = Self::new(Registry::new(table, budget::REGISTER), jwt_users);
        dynamodb.connections.open().await;
        api
    }
}

impl<R: FindDevices + Register + Forget> Api for DevicesApi<R> {
    type Handled = Handled;

    async fn handle(&self, event: &ApiEvent, now: Arrival) -> Handled {
        let asked = match Asked::find(event, self.jwt_users.as_ref()) {
            Ok(asked) => asked,
            Err(refused) => return DevicesOutcome::Refused(refused).into(),
        };
        let outcome = match asked.command() {
            Ok(command) => self.obey(command, now).await.unwrap_or_else(DevicesOutcome::Unavailable),
            Err(refused) => DevicesOutcome::Refused(refused),
        };
        Handled { asked: Some((asked.route, asked.operation)), outcome }
    }
}

impl<R: FindDevices + Register + Forget> DevicesApi<R> {
    pub fn new(registry: R, jwt_users: Option<JwtUsers>) -> Self {
        Self { registry, jwt_users }
    }

    async fn obey(&self, command: Command, now: Arrival) -> Result<DevicesOutcome, Failure> {
        Ok(match command {
            Command::Register(user, device, registration) => {
                match self.registry.register(&user, &device, &registration, now).await? {
                    Registered::Added => DevicesOutcome::Registered,
                    Registered::Renewed => DevicesOutcome::Renewed,
                }
            }
            Command::Remove(user, device) => {
                self.registry.forget(&user, &device).await?;
                DevicesOutcome::Removed
            }
            Command::Show(user, device) => self.show(&user, &device, now).await?,
            Command::List(user) => {
                let mut devices = self.registry.find(&user, now).await?;
                devices.sort_by(|a, b| (b.registered_at, &b.id).cmp(&(a.registered_at, &a.id)));
                DevicesOutcome::Listed(devices)
            }
        })
    }

    async fn show(&self, user: &User, id: &DeviceId, now: Arrival) -> Result<DevicesOutcome, Failure> {
        let found = self.registry.find(user, now).await?.into_iter().find(|device| device.id == *id);
        Ok(found.map_or(DevicesOutcome::NotRegistered, DevicesOutcome::Shown))
    }
}
