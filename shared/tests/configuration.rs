//! The documented environment variables are those that the functions ask for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use ringback::door::callback::Callback;
use ringback::lambda::settings::{Environment, NotifierSettings, RecorderSettings, ReplayerSettings};

/// The page with the table: each variable is in backticks in the first column.
const PAGE: &str = include_str!("../../README.md");

fn documented() -> BTreeSet<String> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix('|')?.split('|').next());
    let quoted = rows.flat_map(|column| column.split('`').skip(1).step_by(2));
    let is_variable = |name: &&str| {
        name.contains('_')
            && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    quoted.filter(is_variable).map(str::to_owned).collect()
}

/// What all functions ask for, each with an environment that has everything.
fn asked() -> BTreeSet<String> {
    let asked = Rc::new(RefCell::new(BTreeSet::new()));
    let noted = Rc::clone(&asked);
    let environment = Environment::new(move |name| {
        noted.borrow_mut().insert(name.to_owned());
        let value = match name {
            "CALLBACK_TOKEN_SHA256" => "0".repeat(64),
            "RETENTION_DAYS" => "90".to_owned(),
            "AWS_CA_BUNDLE" => concat!(env!("CARGO_MANIFEST_DIR"), "/roots/amazon.pem").to_owned(),
            _ if name.ends_with("_CIDRS") => "192.0.2.0/24".to_owned(),
            _ if name.ends_with("_TOPIC_ARN") => "arn:aws:sns:eu-west-1:000000000000:topic".to_owned(),
            _ => "something".to_owned(),
        };
        Some(value)
    });
    NotifierSettings::from_env(&environment).unwrap();
    for callback in Callback::ALL {
        RecorderSettings::from_env(&environment, callback).unwrap();
    }
    ReplayerSettings::from_env(&environment).unwrap();
    environment.log_controls();
    environment.metrics_namespace().unwrap();
    asked.take()
}

#[test]
fn every_variable_is_documented_and_every_documented_one_is_asked_for() {
    assert_eq!(documented(), asked());
}
