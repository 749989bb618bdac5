//! `ringback devices`: lists, adds and removes the devices that ring for a user, over the registry's own API,
//! with requests that are signed as an app server signs them.

use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_dynamodb::config::http::HttpRequest;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use aws_smithy_types::body::SdkBody;
use clap::{Args, Subcommand};
use percent_encoding::utf8_percent_encode;
use ringback::ring::device::Platform;
use serde_json::{Value, json};

use crate::error::Stop;
use crate::output::{Output, clean, moment, plain, table};
use crate::place::{Kind, Place, Where};
use crate::scenario::ESCAPED;
use crate::target::{Answer, PATIENCE, base_url, connector, exchange, is_loopback};

const NO_REGISTRY: &str = "this Ringback has no API of phones: its stack has no DevicesUrl";

/// List, add or remove the devices that ring for a user
#[derive(Args, Debug)]
pub(crate) struct Devices {
    #[command(subcommand)]
    what: What,
    /// The LINE service id that the user belongs to; without it, the first one that is served
    #[arg(long, global = true, env = "SERVICE_ID", value_name = "ID")]
    service_id: Option<String>,
}

#[derive(Subcommand, Debug)]
enum What {
    /// List a user's devices
    List { user: String },
    /// Register a device, or renew it; its push token is asked for, or read from DEVICE_TOKEN
    Add {
        user: String,
        /// The id of the installed app
        device: String,
        /// How the device is reached
        #[arg(long, value_parser = platform)]
        platform: Platform,
        /// Apple's bundle id, or Google's project id
        #[arg(long)]
        app: String,
        /// The push token, only as a variable
        #[arg(long, env = "DEVICE_TOKEN", hide = true, hide_env_values = true)]
        token: Option<String>,
    },
    /// Remove a device
    Remove { user: String, device: String },
}

fn platform(text: &str) -> Result<Platform, String> {
    let all = || Platform::ALL.map(Platform::as_str).join(", ");
    Platform::parse(text).ok_or_else(|| format!("one of {}", all()))
}

impl Devices {
    pub(crate) async fn run(self, at: &Where, out: Output) -> Result<(), Stop> {
        let place = at.place().await?;
        let registry = Registry::of(&place)?.ok_or_else(|| Stop::new(NO_REGISTRY))?;
        let first = place.line_ids.split(',').next().filter(|id| !id.is_empty() && *id != "any");
        let service = self.service_id.filter(|id| !id.is_empty()).or_else(|| first.map(str::to_owned));
        let service = service.ok_or_else(|| Stop::new("which service? Give --service-id"))?;
        match self.what {
            What::List { user } => {
                let listed = registry.request("GET", &service, &user, None, None).await?.ok()?;
                list(&user, &listed, out);
            }
            What::Add { user, device, platform, app, token } => {
                let token = token.filter(|token| !token.is_empty()).map_or_else(typed, Ok)?;
                let body = json!({ "platform": platform.as_str(), "token": token, "app": app });
                let answer = registry.request("PUT", &service, &user, Some(&device), Some(&body)).await?;
                let added = answer.ok()?;
                let result = added.get("result").map_or_else(|| "registered".to_owned(), plain);
                out.result(&added, &format!("{} of {} is {result}.", clean(&device), clean(&user)));
            }
            What::Remove { user, device } => {
                registry.request("DELETE", &service, &user, Some(&device), None).await?.ok()?;
                let text = format!("{} of {} does not ring any more.", clean(&device), clean(&user));
                out.result(&json!({ "result": "removed" }), &text);
            }
        }
        Ok(())
    }
}

/// A push token that is typed without being shown, or piped in.
fn typed() -> Result<String, Stop> {
    let text = if console::user_attended() {
        let terminal = console::Term::stderr();
        terminal.write_str("Push token (it is not shown): ")?;
        terminal.read_secure_line()?
    } else {
        std::io::read_to_string(std::io::stdin())?
    };
    let text = text.trim().to_owned();
    if text.is_empty() { Err(Stop::new("which token? Set DEVICE_TOKEN, or pipe it in")) } else { Ok(text) }
}

fn list(user: &str, listed: &Value, out: Output) {
    let devices = listed.get("devices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let rows = devices.iter().map(|device| {
        let get = |name: &str| device.get(name).map(plain).unwrap_or_default();
        let number = |name: &str| device.get(name).and_then(Value::as_u64).unwrap_or_default();
        let expires = moment(number("expires_at").saturating_mul(1_000));
        let token = format!("…{}", get("token_ends_with"));
        vec![get("device"), get("platform"), get("app"), token, moment(number("registered_at")), expires]
    });
    let text = if devices.is_empty() {
        format!("{} has no device that rings.", clean(user))
    } else {
        table(&["device", "platform", "app", "token", "registered (UTC)", "expires (UTC)"], rows)
    };
    out.result(listed, &text);
}

/// The registry of devices, as it is reached over HTTP.
pub(crate) struct Registry<'a> {
    base: String,
    connector: SharedHttpConnector,
    place: &'a Place,
}

impl<'a> Registry<'a> {
    /// The registry of a Ringback, if it has one.
    pub(crate) fn of(place: &'a Place) -> Result<Option<Self>, Stop> {
        let url = match &place.kind {
            Kind::Local(local) => local.devices_url.as_ref(),
            Kind::Deployed(stack) => stack.outputs.get("DevicesUrl"),
        };
        let Some(url) = url else { return Ok(None) };
        let base = base_url(url)?;
        let connector = SharedHttpConnector::new(connector(is_loopback(&base), &base)?);
        Ok(Some(Self { base, connector, place }))
    }

    /// A signed request about a user's devices, or one of them.
    pub(crate) async fn request(
        &self,
        method: &str,
        service: &str,
        user: &str,
        device: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answered, Stop> {
        let mut request = self.unsigned(method, service, user, device, body)?;
        self.sign(&mut request, body).await?;
        self.send(request).await
    }

    /// What the registry answers to a request without a signature.
    pub(crate) async fn request_unsigned(&self, service: &str, user: &str) -> Result<Answered, Stop> {
        self.send(self.unsigned("GET", service, user, None, None)?).await
    }

    fn unsigned(
        &self,
        method: &str,
        service: &str,
        user: &str,
        device: Option<&str>,
        body: Option<&Value>,
    ) -> Result<HttpRequest, Stop> {
        let part = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
        let device = device.map(|device| format!("/{}", part(device))).unwrap_or_default();
        let url = format!("{}/users/{}/{}/devices{device}", self.base, part(service), part(user));
        let mut request = HttpRequest::new(body.map_or_else(SdkBody::empty, |body| body.to_string().into()));
        let unusable = || Stop::new("no request can be made of these ids");
        request.set_uri(url).map_err(|_| unusable())?;
        request.set_method(method).map_err(|_| unusable())?;
        if body.is_some() {
            request.headers_mut().insert("content-type", "application/json");
        }
        Ok(request)
    }

    async fn sign(&self, request: &mut HttpRequest, body: Option<&Value>) -> Result<(), Stop> {
        let config = self.place.config("EXECUTE_API");
        let provider = config.credentials_provider().ok_or_else(|| Stop::new("no AWS credentials"))?;
        let credentials = provider.provide_credentials().await;
        let credentials = credentials.map_err(|error| Stop::new(format!("no AWS credentials: {error}")))?;
        let identity = credentials.into();
        let wrong = |why: &dyn std::fmt::Display| Stop::new(format!("the request cannot be signed: {why}"));
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(config.region().map(AsRef::as_ref).unwrap_or_default())
            .name("execute-api")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| wrong(&error))?;
        let body = body.map(ToString::to_string).unwrap_or_default();
        let headers = request.headers().iter();
        let signable = SignableRequest::new(
            request.method(),
            request.uri(),
            headers,
            SignableBody::Bytes(body.as_bytes()),
        );
        let signed = sign(signable.map_err(|error| wrong(&error))?, &parameters.into());
        let (instructions, _) = signed.map_err(|error| wrong(&error))?.into_parts();
        for (name, value) in instructions.headers() {
            request.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        Ok(())
    }

    async fn send(&self, request: HttpRequest) -> Result<Answered, Stop> {
        let sent = tokio::time::timeout(PATIENCE, exchange(&self.connector, request)).await;
        let late = || Err(format!("no answer within {} s", Duration::as_secs(&PATIENCE)));
        sent.unwrap_or_else(|_| late()).map(Answered).map_err(|why| Stop::new(format!("the registry: {why}")))
    }
}

/// What an API of Ringback answers to a request without a signature.
pub(crate) async fn get_unsigned(url: &str, path: &str) -> Result<Answer, Stop> {
    let base = base_url(url)?;
    let connector = SharedHttpConnector::new(connector(is_loopback(&base), &base)?);
    let mut request = HttpRequest::new(SdkBody::empty());
    let unusable = |_| Stop::new(format!("{base}{path} is no address"));
    request.set_uri(format!("{base}{path}")).map_err(unusable)?;
    let sent = tokio::time::timeout(PATIENCE, exchange(&connector, request)).await;
    let late = || Err(format!("no answer within {} s", PATIENCE.as_secs()));
    sent.unwrap_or_else(|_| late()).map_err(|why| Stop::new(format!("{base}: {why}")))
}

/// What the registry said.
pub(crate) struct Answered(pub(crate) Answer);

impl Answered {
    /// The body of a success, or the problem in a line.
    pub(crate) fn ok(self) -> Result<Value, Stop> {
        let body: Value = serde_json::from_str(&self.0.body).unwrap_or_default();
        let status = self.0.status.unwrap_or_default();
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let get = |name: &str| body.get(name).map(plain);
        let why = get("detail").or_else(|| get("message")).unwrap_or_else(|| "no reason given".to_owned());
        let field = get("field").map(|field| format!(" ({field})")).unwrap_or_default();
        let advice = match status {
            401 | 403 => ". Your role needs execute-api:Invoke on this API",
            _ => "",
        };
        Err(Stop::new(format!("the registry answers {status}: {why}{field}{advice}")))
    }
}
