//! `ringback env`: a function's variables as a file for `cargo lambda deploy --env-file`, from a stack and
//! from options.
//!
//! The library's own settings are read with these values. So a variable that the function would miss or
//! refuse stops the command, and the file has what the function asks for and nothing else.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::rc::Rc;

use clap::Args;
use ringback::door::callback::Callback;
use ringback::lambda::settings::{
    ConfigError, DevicesSettings, Environment, HistorySettings, NotifierSettings, ProjectorSettings,
    RecorderSettings, ReplayerSettings,
};
use serde_json::json;

use crate::error::Stop;
use crate::output::Output;
use crate::place::{Deployed, Place, Where, functions};
use crate::target::Token;

/// Lambda sets these itself.
const OF_LAMBDA: [&str; 4] =
    ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
const SECRET: &str = "TENCENT_CALLBACK_TOKEN";
/// Everyone can read it in this repository.
const PUBLIC_TOKEN: &str = "local-stack-token-never-deploy-this-one";
/// Which of a stack's parameters a variable holds.
const PARAMETERS: [(&str, &str); 12] = [
    ("LINE_SERVICE_IDS", "LineServiceIds"),
    ("TENCENT_SDK_APP_IDS", "TencentSdkAppIds"),
    ("LINE_SOURCE_CIDRS", "LineSourceCidrs"),
    ("TENCENT_SOURCE_CIDRS", "TencentSourceCidrs"),
    ("RETENTION_DAYS", "RetentionDays"),
    ("APNS_KEY_PARAMETER", "ApnsKeyParameter"),
    ("FCM_KEY_PARAMETER", "FcmKeyParameter"),
    ("RING_SECONDS", "RingSeconds"),
    ("RING_WHEN_NO_DEVICE", "RingWhenNoDevice"),
    ("SHARDS", "Shards"),
    ("STALE_HOURS", "StaleHours"),
    ("UNINDEXED_USERS", "UnindexedUsers"),
];
/// Which of its outputs.
const OUTPUTS: [(&str, &str); 4] = [
    ("DEVICES_TABLE", "DevicesTableName"),
    ("VIEWS_TABLE", "ViewsTableName"),
    ("FIGURES_TABLE", "FiguresTableName"),
    ("CALLS_TOPIC_ARN", "CallsTopicArn"),
];

type Variables = BTreeMap<String, String>;

/// Write a function's variables for `cargo lambda deploy --env-file`
#[derive(Args, Debug)]
pub(crate) struct Env {
    /// The function, such as notify or replay
    function: String,
    /// The digests of the tokens to accept: one, or two with a comma
    #[arg(long, value_name = "DIGESTS")]
    token_sha256: Option<String>,
    /// Any variable, in place of the stack's
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Tencent's signing token, only as a variable
    #[arg(long, env = SECRET, hide = true, hide_env_values = true)]
    tencent_callback_token: Option<String>,
    /// Write into this file, which only you can read, and not to the terminal
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| "NAME=VALUE".to_owned())
}

impl Env {
    pub(crate) async fn run(self, at: &Where, out: Output) -> Result<(), Stop> {
        let mut values = Variables::new();
        if at.names_a_deployment() {
            values = of_stack(&at.place().await?).await?;
        }
        let given = |name: &str, value: &Option<String>| value.clone().map(|value| (name.to_owned(), value));
        values.extend(given("CALLBACK_TOKEN_SHA256", &self.token_sha256));
        values.extend(given(SECRET, &self.tencent_callback_token));
        values.extend(self.set.clone());
        let mut variables = asked_for(&self.function, values)?;
        let text = env_file(&variables)?;
        if let Some(path) = &self.out {
            let mut file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
            file.write_all(text.as_bytes())?;
            let text =
                format!("{} variables of {} are in {}.", variables.len(), self.function, path.display());
            out.result(
                &json!({ "function": self.function, "file": path, "variables": variables.len() }),
                &text,
            );
            return Ok(());
        }
        if std::io::stdout().is_terminal() && variables.contains_key(SECRET) {
            variables.insert(SECRET.into(), "not shown on a terminal: use --out".into());
        }
        out.result(&json!(variables), env_file(&variables)?.trim_end());
        Ok(())
    }
}

/// What a stack says about the variables. The digest is a secret parameter, so it is not among them.
async fn of_stack(place: &Place) -> Result<Variables, Stop> {
    let Some(stack) = place.deployed() else { return Ok(Variables::new()) };
    let topics = stack.resources(place, "AWS::SNS::Topic").await?;
    Ok(from_stack(stack, place, &topics))
}

fn from_stack(stack: &Deployed, place: &Place, topics: &Variables) -> Variables {
    let parameters =
        PARAMETERS.into_iter().filter_map(|(name, parameter)| Some((name, stack.parameters.get(parameter)?)));
    let own = [("RECORDS_TABLE", &place.table), ("PUSH_JOBS_TOPIC_ARN", &place.push_jobs_topic)];
    let topic = |(name, logical)| Some((name, topics.get(logical)?));
    let topics = [("SPOOL_TOPIC_ARN", "SpoolTopic"), ("DEAD_LETTERS_TOPIC_ARN", "DeadLettersTopic")];
    let outputs = OUTPUTS.into_iter().filter_map(|(name, output)| Some((name, stack.outputs.get(output)?)));
    let all = parameters.chain(own).chain(topics.into_iter().filter_map(topic)).chain(outputs);
    let mut values: Variables = all.map(|(name, value)| (name.to_owned(), value.clone())).collect();
    values.insert("METRICS_NAMESPACE".into(), format!("Ringback/{}", stack.name));
    values
}

/// Of these values, those that a function reads.
fn asked_for(function: &str, values: Variables) -> Result<Variables, Stop> {
    let public = Token::parse(PUBLIC_TOKEN).map(|token| token.digest()).unwrap_or_default();
    if values.get("CALLBACK_TOKEN_SHA256").is_some_and(|digests| digests.to_lowercase().contains(&public)) {
        return Err(Stop::new("this is the digest of the local stack's token, which everyone can read"));
    }
    let asked: Rc<RefCell<Variables>> = Rc::default();
    let seen = Rc::clone(&asked);
    let environment = Environment::new(move |name| {
        if OF_LAMBDA.contains(&name) {
            return Some("lambda-sets-it".to_owned());
        }
        let value = values.get(name).filter(|value| !value.trim().is_empty())?;
        seen.borrow_mut().insert(name.to_owned(), value.clone());
        Some(value.clone())
    });
    read(function, &environment)?.map_err(|error| Stop::new(error.to_string()))?;
    drop(environment);
    Ok(asked.take())
}

fn read(function: &str, environment: &Environment) -> Result<Result<(), ConfigError>, Stop> {
    let recorder = Callback::ALL.into_iter().find(|callback| callback.route.binary() == function);
    let settings = match recorder {
        Some(callback) => RecorderSettings::from_env(environment, callback).map(drop),
        None if function == ringback::line::NOTIFY.binary() => {
            NotifierSettings::from_env(environment).map(drop)
        }
        None if function == "devices" => DevicesSettings::from_env(environment).map(drop),
        None if function == "history" => HistorySettings::from_env(environment).map(drop),
        None if function == "project" => ProjectorSettings::from_env(environment).map(drop),
        None if function == "replay" => ReplayerSettings::from_env(environment).map(drop),
        None => {
            let all = functions().collect::<Vec<_>>().join(", ");
            return Err(Stop::new(format!("there is no function {function}: it is one of {all}")));
        }
    };
    Ok(settings.and_then(|()| environment.metrics_namespace().map(drop)))
}

/// The file as cargo-lambda's reader takes it. It ends a quoted value at the next quote of the same kind,
/// keeps backslashes as they are, and makes a new line of a backslash before an `n`.
fn env_file(variables: &Variables) -> Result<String, Stop> {
    let line = |(name, value): (&String, &String)| {
        let quoted = quoted(value).ok_or_else(|| {
            let why = "cargo-lambda would read another value: it has \\n in it, or both ' and `";
            Stop::new(format!("{name} cannot be written to a file: {why}"))
        })?;
        Ok(format!("{name}={quoted}\n"))
    };
    variables.iter().map(line).collect()
}

fn quoted(value: &str) -> Option<String> {
    let is_plain = |each: char| each.is_ascii_alphanumeric() || "-_.,:/@+".contains(each);
    // Alone, the word `export` is the reader's own.
    if !value.is_empty() && value != "export" && value.chars().all(is_plain) {
        return Some(value.to_owned());
    }
    // In double quotes, a backslash at the end would make the value go on to the next quote.
    let quote = ["'", "`"].into_iter().find(|quote| !value.contains(quote))?;
    (!value.contains("\\n")).then(|| format!("{quote}{value}{quote}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn values() -> Variables {
        [
            ("CALLBACK_TOKEN_SHA256", DIGEST),
            ("LINE_SERVICE_IDS", "one,two"),
            ("LINE_SOURCE_CIDRS", ""),
            ("TENCENT_SDK_APP_IDS", "1400000000"),
            ("TENCENT_CALLBACK_TOKEN", "se#cret"),
            ("RECORDS_TABLE", "mine-records"),
            ("RETENTION_DAYS", "90"),
            ("DEVICES_TABLE", "mine-devices"),
            ("RING_SECONDS", "30"),
            ("PUSH_JOBS_TOPIC_ARN", "arn:aws:sns:eu-west-1:1:jobs"),
            ("SPOOL_TOPIC_ARN", "arn:aws:sns:eu-west-1:1:spool"),
            ("DEAD_LETTERS_TOPIC_ARN", "arn:aws:sns:eu-west-1:1:dead"),
            ("METRICS_NAMESPACE", "Ringback/mine"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
    }

    #[test]
    fn a_function_gets_what_it_reads_and_nothing_else() {
        let names =
            |function| asked_for(function, values()).unwrap().into_keys().collect::<Vec<_>>().join(" ");
        let notify = "CALLBACK_TOKEN_SHA256 LINE_SERVICE_IDS METRICS_NAMESPACE PUSH_JOBS_TOPIC_ARN";
        assert_eq!(names("notify"), notify);
        assert_eq!(names("devices"), "DEVICES_TABLE METRICS_NAMESPACE");
        let tencent = "CALLBACK_TOKEN_SHA256 METRICS_NAMESPACE RECORDS_TABLE RETENTION_DAYS SPOOL_TOPIC_ARN \
            TENCENT_CALLBACK_TOKEN TENCENT_SDK_APP_IDS";
        assert_eq!(names("tencent-call-event"), tencent);
        assert_eq!(names("replay"), "DEAD_LETTERS_TOPIC_ARN METRICS_NAMESPACE RECORDS_TABLE RETENTION_DAYS");
    }

    #[test]
    fn with_a_key_notify_gets_what_it_rings_with() {
        let key = ("APNS_KEY_PARAMETER".to_owned(), "/mine/apns".to_owned());
        let names: Vec<String> =
            asked_for("notify", values().into_iter().chain([key]).collect()).unwrap().into_keys().collect();
        for name in ["APNS_KEY_PARAMETER", "DEVICES_TABLE", "RING_SECONDS"] {
            assert!(names.iter().any(|each| each == name), "{names:?}");
        }
    }

    #[test]
    fn what_the_function_would_not_start_with_is_named() {
        let without = |name: &str| {
            let mut values = values();
            values.remove(name);
            asked_for("notify", values).unwrap_err().to_string()
        };
        assert_eq!(without("CALLBACK_TOKEN_SHA256"), "environment variable CALLBACK_TOKEN_SHA256 is missing");
        assert!(asked_for("nothing", values()).unwrap_err().to_string().contains("call-event, "));
        let public = Token::parse(PUBLIC_TOKEN).unwrap().digest();
        let values = values().into_iter().chain([("CALLBACK_TOKEN_SHA256".to_owned(), public)]).collect();
        assert!(asked_for("notify", values).unwrap_err().to_string().contains("everyone can read"));
    }

    #[test]
    fn the_template_has_what_the_variables_are_made_of() {
        let template = include_str!("../../template.yaml");
        let named = ["SpoolTopic", "DeadLettersTopic"].into_iter().chain(OUTPUTS.map(|(_, output)| output));
        for name in PARAMETERS.map(|(_, parameter)| parameter).into_iter().chain(named) {
            assert!(template.contains(&format!("\n  {name}:\n")), "{name}");
        }
        let namespace = "METRICS_NAMESPACE: !Sub Ringback/${AWS::StackName}";
        assert!(template.contains(namespace));
    }

    #[test]
    fn the_library_and_the_local_stack_have_the_same_public_token() {
        assert_eq!(PUBLIC_TOKEN, ringback::testing::TOKEN);
    }

    /// A value as cargo-lambda reads it (env-file-reader 0.3).
    fn read_back(written: &str) -> String {
        let quote = written.chars().next().filter(|first| "'`".contains(*first));
        let Some(quote) = quote else { return written.to_owned() };
        let (inside, rest) = written[1..].split_once(quote).unwrap();
        assert_eq!(rest, "");
        inside.replace(&format!("\\{quote}"), &quote.to_string()).replace("\\n", "\n")
    }

    #[test]
    fn a_value_comes_back_as_it_was_or_is_refused() {
        for value in
            ["", "export", "x#y", "a b", r"one\\two", r#"x#"y\"#, r#"\""#, "it's", "`", "two\nlines", "a=b"]
        {
            let written = quoted(value).unwrap();
            assert_eq!(read_back(&written), value, "{written}");
        }
        for value in [r"a\nb", "it's `both`"] {
            let why = env_file(&[("A".to_owned(), value.to_owned())].into()).unwrap_err().to_string();
            assert!(why.starts_with("A cannot be written") && !why.contains(value), "{why}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_value_comes_back_as_it_was_or_is_refused(value in r#"[a-z\\n'"` \n#=]{0,12}"#) {
            if let Some(written) = quoted(&value) {
                proptest::prop_assert_eq!(read_back(&written), value);
            }
        }
    }

    #[test]
    fn a_plain_value_needs_no_quotes() {
        let arn = ("B".to_owned(), "arn:aws:sns:eu-west-1:1:t".to_owned());
        assert_eq!(env_file(&[arn].into()).unwrap(), "B=arn:aws:sns:eu-west-1:1:t\n");
    }
}
