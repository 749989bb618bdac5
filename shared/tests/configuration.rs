//! The documented environment variables are those that the functions ask for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use ringback::door::callback::Callback;
use ringback::lambda::settings::{
    ConfigError, DevicesSettings, Environment, HistorySettings, NotifierSettings, ProjectorSettings,
    RecorderSettings, ReplayerSettings,
};

/// The page with the table: each row has a variable in backticks, the functions that read it, and its value.
const PAGE: &str = include_str!("../../docs/configuration.md");

/// The variables of the table, each with what it says of the value.
fn documented() -> Vec<(&'static str, &'static str)> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    rows.map(|(name, rest)| (name, rest.split('|').nth(1).unwrap().trim())).collect()
}

/// An environment that has everything but one variable, and what is asked of it.
fn environment_without(absent: &'static str) -> (Environment, Rc<RefCell<BTreeSet<String>>>) {
    let asked = Rc::new(RefCell::new(BTreeSet::new()));
    let noted = Rc::clone(&asked);
    let environment = Environment::new(move |name| {
        noted.borrow_mut().insert(name.to_owned());
        let value = match name {
            "CALLBACK_TOKEN_SHA256" => "0".repeat(64),
            "RETENTION_DAYS" => "90".to_owned(),
            "RING_SECONDS" => "30".to_owned(),
            "SHARDS" => "4".to_owned(),
            "STALE_HOURS" => "2".to_owned(),
            "JWT_PROVIDER" => "line".to_owned(),
            "RING_WHEN_NO_DEVICE" => "fail".to_owned(),
            "AWS_CA_BUNDLE" | "PUSH_CA_BUNDLE" => {
                concat!(env!("CARGO_MANIFEST_DIR"), "/roots/amazon.pem").to_owned()
            }
            _ if name.ends_with("_CIDRS") => "192.0.2.0/24".to_owned(),
            _ if name.ends_with("_TOPIC_ARN") => "arn:aws:sns:eu-west-1:000000000000:topic".to_owned(),
            _ => "something".to_owned(),
        };
        Some(value).filter(|_| name != absent)
    });
    (environment, asked)
}

/// Parses the settings of every function.
fn start_all(environment: &Environment) -> Result<(), ConfigError> {
    environment.log_controls();
    environment.metrics_namespace()?;
    NotifierSettings::from_env(environment)?;
    for callback in Callback::ALL {
        RecorderSettings::from_env(environment, callback)?;
    }
    DevicesSettings::from_env(environment)?;
    HistorySettings::from_env(environment)?;
    ProjectorSettings::from_env(environment)?;
    ReplayerSettings::from_env(environment).map(|_| ())
}

#[test]
fn every_variable_is_documented_and_every_documented_one_is_asked_for() {
    let (environment, asked) = environment_without("");
    start_all(&environment).unwrap();
    let documented: BTreeSet<String> = documented().into_iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(documented, asked.take());
}

#[test]
fn a_function_does_not_start_without_what_is_required_and_starts_without_what_is_optional() {
    for (name, value) in documented() {
        let started = start_all(&environment_without(name).0);
        if value.starts_with("required") {
            assert_eq!(started, Err(ConfigError::Missing(name)));
        } else if value.starts_with("optional") {
            assert_eq!(started, Ok(()), "{name}");
        } else {
            assert!(value.starts_with("set by Lambda"), "{name} is neither required nor optional");
        }
    }
}
