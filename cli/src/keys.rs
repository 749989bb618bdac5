//! `ringback keys`: stores the keys that ring phones in SSM's Parameter Store, and tries them.
//!
//! A key is read with the library's own types first, so what is stored is what the function can use. A key is
//! never printed.

use std::path::{Path, PathBuf};

use aws_config::SdkConfig;
use aws_sdk_ssm::types::ParameterType;
use clap::{Args, Subcommand};
use ringback::ring::push::keys::{ApnsKey, KeyError, ServiceAccount};
use serde_json::{Value, json};

use crate::confirm::confirm;
use crate::doctor::Findings;
use crate::doctor::ringing::{self, IosApp};
use crate::error::Stop;
use crate::output::Output;
use crate::place::{Place, Where};

/// Store the keys of Apple and Google that ring phones, and check them
#[derive(Args, Debug)]
pub(crate) struct Keys {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Store a key; --stack names the deployment that it is for, which need not be there yet
    Put {
        #[command(subcommand)]
        key: Key,
    },
    /// Read the keys of a running Ringback, and try them on phones that do not exist
    Check {
        #[command(flatten)]
        ios_app: IosApp,
    },
}

#[derive(Subcommand, Debug)]
enum Key {
    /// Apple's key for APNs
    Apns {
        /// The team that the key belongs to
        #[arg(long, value_parser = apples_id)]
        team: String,
        #[arg(long, value_parser = apples_id)]
        key_id: String,
        /// The .p8 file, as Apple gave it
        file: PathBuf,
        #[command(flatten)]
        stored: Stored,
    },
    /// A Google service account that may send with FCM
    Fcm {
        /// The JSON file, as Google gave it
        file: PathBuf,
        #[command(flatten)]
        stored: Stored,
    },
}

#[derive(Args, Debug)]
struct Stored {
    /// The parameter's name; without it, /ringback/STACK/apns or …/fcm
    #[arg(long)]
    name: Option<String>,
    /// Do not ask before another key is replaced: the parameter's name
    #[arg(long, value_name = "NAME")]
    yes: Option<String>,
}

fn apples_id(text: &str) -> Result<String, String> {
    let right =
        text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if right { Ok(text.to_owned()) } else { Err("ten capital letters and digits".to_owned()) }
}

impl Keys {
    pub(crate) async fn run(self, at: &Where, out: Output) -> Result<(), Stop> {
        match self.what {
            What::Check { ios_app } => {
                let place = at.place().await?;
                out.tell(&place.description());
                let mut findings = Findings::new(out, str::to_owned);
                ringing::keys(&place, &ios_app, &mut findings).await;
                findings.sum_up(&[])
            }
            What::Put { key: Key::Apns { team, key_id, file, stored } } => {
                let text = read(&file)?;
                let key = json!({ "team_id": team, "key_id": key_id, "private_key": text }).to_string();
                ApnsKey::parse(&key)
                    .map_err(|error| refusal(&file, error, "Apple's .p8 file, a P-256 key"))?;
                put(at, &stored, "apns", "ApnsKeyParameter", &key, out).await
            }
            What::Put { key: Key::Fcm { file, stored } } => {
                let text = read(&file)?;
                let wanted = "the JSON file of a service account, with an RSA key";
                ServiceAccount::parse(&text).map_err(|error| refusal(&file, error, wanted))?;
                let file_names_a_project = serde_json::from_str::<Value>(&text)
                    .is_ok_and(|value| value.get("project_id").is_some_and(Value::is_string));
                if !file_names_a_project {
                    return Err(refusal(&file, KeyError::Malformed, wanted));
                }
                put(at, &stored, "fcm", "FcmKeyParameter", &text, out).await
            }
        }
    }
}

fn read(file: &Path) -> Result<String, Stop> {
    std::fs::read_to_string(file).map_err(|error| Stop::new(format!("{}: {error}", file.display())))
}

fn refusal(file: &Path, error: KeyError, wanted: &str) -> Stop {
    Stop::new(format!("{} cannot be used ({error}): it should be {wanted}", file.display()))
}

async fn put(
    at: &Where,
    stored: &Stored,
    what: &str,
    parameter: &str,
    key: &str,
    out: Output,
) -> Result<(), Stop> {
    let (stack, config): (&str, SdkConfig) = match at.stack() {
        Some(stack) => (stack, at.desk().await?.config),
        None => ("local", at.place().await.map(|place: Place| place.config("SSM"))?),
    };
    let name = stored.name.clone().unwrap_or_else(|| format!("/ringback/{stack}/{what}"));
    let client = aws_sdk_ssm::Client::new(&config);
    let doing = format!("store {name}");
    let request = || client.put_parameter().name(&name).r#type(ParameterType::SecureString).value(key);
    match request().send().await {
        Ok(_) => {}
        Err(error) if error.as_service_error().is_some_and(|error| error.is_parameter_already_exists()) => {
            out.tell(&format!("{name} has a key already. Functions that start read the new one."));
            confirm(&name, "the parameter's name", stored.yes.as_deref())?;
            request().overwrite(true).send().await.map_err(Stop::aws(&doing))?;
        }
        Err(error) => return Err(Stop::aws(&doing)(error)),
    }
    let text = format!(
        "The key is stored as {name}. Deploy with it: make deploy … PARAMETERS={parameter}={name}\n\
         Then delete the file, or keep it like a password."
    );
    out.result(&json!({ "name": name, "parameter": parameter }), &text);
    Ok(())
}
