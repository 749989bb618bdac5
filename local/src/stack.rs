//! Starts everything in order, knows the addresses, and stops everything again.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringback_tests::http::Server;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::emulator::{Emulator, Store};
use crate::error::StackError;
use crate::functions::Functions;
use crate::gateway::{Gateway, Reply};
use crate::phones::{KEYS, Person, Phones};
use crate::processes::Processes;
use crate::stream::{self, Feed};
use crate::template::{Function, Template};

/// Public, because the sample events carry it. template.yaml refuses it for a deployment.
const TOKEN: &str = "local-stack-token-never-deploy-this-one";
/// Whose callbacks the sample events are. The caller's environment may say otherwise.
pub(crate) const SAMPLES_OWN: [(&str, &str); 2] = [
    ("LINE_SERVICE_IDS", "linecorp.com,planetkit,planetkit-inhouse"),
    ("TENCENT_SDK_APP_IDS", "8888888,1400000001"),
];
/// It reads the template and runs MiniStack.
pub(crate) const PYTHON: &str = ".local/venv/bin/python";
/// The part of the functions' environment that stack.env repeats.
const FROM_FUNCTIONS: [&str; 12] = [
    "RECORDS_TABLE",
    "VIEWS_TABLE",
    "FIGURES_TABLE",
    "DEVICES_TABLE",
    "PUSH_JOBS_TOPIC_ARN",
    "SPOOL_TOPIC_ARN",
    "DEAD_LETTERS_TOPIC_ARN",
    "CALLS_TOPIC_ARN",
    "CALLBACK_TOKEN_SHA256",
    "LINE_SERVICE_IDS",
    "TENCENT_SDK_APP_IDS",
    "RETENTION_DAYS",
];
/// The template's queues whose URLs stack.env holds.
const QUEUES: [(&str, &str); 2] =
    [("SPOOL_QUEUE_URL", "SpoolQueue"), ("DEAD_LETTER_QUEUE_URL", "DeadLetterQueue")];

/// How a stack is started.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) root: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    pub(crate) aws_port: u16,
    /// Of each function. Each takes one request at a time, as on AWS.
    pub(crate) instances: usize,
    /// Whether `replay` is fed from the spool.
    pub(crate) replays: bool,
    /// Whether project waits with the stream until it is told to catch up. Meanwhile the emulator serves the
    /// callbacks alone.
    pub(crate) holds_stream: bool,
    /// Whether notify has keys of push providers.
    pub(crate) rings: bool,
}

/// The running local stack.
pub(crate) struct Stack {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) functions: Vec<Function>,
    pub(crate) running: Functions,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) phones: Phones,
    pub(crate) feed: Feed,
    /// What stack.env holds.
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) serves_ipv6: bool,
    emulator: Emulator,
    table: String,
    jobs_to_show: String,
    _servers: (Server, Option<Server>),
}

impl Settings {
    pub(crate) fn env_file(&self) -> PathBuf {
        self.folder.join("stack.env")
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Stack {
    pub(crate) fn start(settings: Settings, processes: &Processes) -> Result<Self, StackError> {
        let Settings { root, folder, .. } = &settings;
        let store = Store::parse(&std::env::var("STORE").unwrap_or_default())?;
        let mut parameters = parameters(|name| std::env::var(name).ok())?;
        if settings.rings {
            parameters.extend(KEYS.map(|(parameter, key)| (parameter, key.to_owned())));
        }
        if !root.join(PYTHON).is_file() {
            return Err(StackError::new(
                "MiniStack is not installed: `make run` installs it into .local/venv",
            ));
        }
        fs::create_dir_all(folder)?;
        let emulator = Emulator::start(processes, root, folder, settings.aws_port, store)?;
        let template = Template::read(root, &emulator.queues(), &parameters)?;
        emulator.create(&template)?;
        let phones = Phones::start(&folder.join("phones"), &emulator)?;

        let environment = template.settings()?;
        let setting = |name: &str| {
            let missing = || {
                StackError::new(format!("template.yaml gives no function {name}, which stack.env promises"))
            };
            environment.get(name).cloned().ok_or_else(missing)
        };
        let topic = setting("PUSH_JOBS_TOPIC_ARN")?;
        let jobs = emulator.create_job_queue("push-jobs", &topic)?;
        // A second queue, because jobs are taken out of it to be shown, and those in the first one stay.
        let jobs_to_show = emulator.create_job_queue("push-jobs-to-show", &topic)?;

        let mut own = emulator.variables();
        let mut variables = vec![("CALLBACK_URL".to_owned(), format!("{}/{TOKEN}", settings.url()))];
        variables.extend(own.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        own.extend(phones.variables());
        variables.push(("PUSH_JOBS_QUEUE_URL".to_owned(), jobs));
        let queue = |name: &str| emulator.queue_url(&format!("ringback-local-{name}"));
        variables.extend(QUEUES.map(|(name, resource)| (name.to_owned(), queue(resource))));
        for name in FROM_FUNCTIONS {
            variables.push((name.to_owned(), setting(name)?));
        }
        for name in ["DEVICES_URL", "HISTORY_URL"] {
            variables.push((name.to_owned(), settings.url()));
        }
        variables.push(("PHONES_URL".to_owned(), phones.url()));
        // With these, `ringback doctor` tries the keys on the stand-ins.
        let keys = ["APNS_KEY_PARAMETER", "FCM_KEY_PARAMETER"];
        let keys: Vec<_> = keys.into_iter().filter_map(|name| Some((name, environment.get(name)?))).collect();
        if !keys.is_empty() {
            variables.extend(keys.into_iter().map(|(name, value)| (name.to_owned(), value.clone())));
            // The bundle's path is the user's, and may hold any character.
            let stand_ins = phones.variables().into_iter().filter(|(_, value)| env_file_holds(value));
            variables.extend(stand_ins.map(|(name, value)| (name.to_owned(), value)));
        }

        let gateway = Gateway::new(settings.port, &template.functions);
        let servers = gateway.serve()?;
        let running =
            Functions::start(&template.functions, &own, processes, &gateway, folder, settings.instances)?;
        let feed = if settings.holds_stream { Feed::held() } else { Feed::default() };
        stream::start(&feed, &template.functions, &emulator, &gateway, processes);
        if settings.replays {
            feed_from_queues(&template.functions, &emulator, &gateway, processes);
        }
        Ok(Self {
            store,
            running,
            gateway,
            phones,
            feed,
            variables,
            serves_ipv6: servers.1.is_some(),
            table: setting("RECORDS_TABLE")?,
            functions: template.functions,
            emulator,
            jobs_to_show,
            settings,
            _servers: servers,
        })
    }

    /// Writes where everything is, in one step: a reader never sees half of the file.
    pub(crate) fn write_env_file(&self) -> Result<(), StackError> {
        let file = self.settings.env_file();
        let new = file.with_extension("new");
        fs::write(&new, env_file_text(&self.variables)?)?;
        Ok(fs::rename(new, file)?)
    }

    /// Registers a phone for each of these people.
    pub(crate) fn register(&self, people: &BTreeSet<Person>) -> Result<(), StackError> {
        people.iter().try_for_each(|person| self.phones.register(&self.settings.url(), person))?;
        while self.running.next_line("devices").is_some() {}
        Ok(())
    }

    /// The push jobs that were published since the last time, waiting so long for the first.
    pub(crate) fn take_jobs(&self, seconds: u8) -> Result<Vec<Value>, StackError> {
        let messages = self.emulator.receive(&self.jobs_to_show, 10, seconds)?;
        messages
            .iter()
            .map(|message| {
                self.emulator.delete(&self.jobs_to_show, message)?;
                let body = message.get("Body").and_then(Value::as_str).unwrap_or_default();
                Ok(serde_json::from_str(body).unwrap_or_default())
            })
            .collect()
    }

    /// How many items the table of records holds.
    pub(crate) fn count_records(&self) -> Result<u64, StackError> {
        self.emulator.count(&self.table)
    }

    /// The call of a session as it is now.
    pub(crate) fn call(&self, sid: &str) -> Result<Option<Value>, StackError> {
        if sid.is_empty() { Ok(None) } else { self.emulator.call(&self.table, sid) }
    }
}

/// Feeds functions from their queues as Lambda's event source mappings do: a batch at a time, and what a
/// function could not handle stays in the queue.
fn feed_from_queues(
    functions: &[Function],
    emulator: &Emulator,
    gateway: &Arc<Gateway>,
    processes: &Processes,
) {
    for function in functions {
        for queue in function.queues.clone() {
            let (emulator, gateway, processes) = (emulator.clone(), Arc::clone(gateway), processes.clone());
            let (name, url) = (function.name.clone(), emulator.queue_url(&queue.arn));
            std::thread::spawn(move || {
                while !processes.are_stopping() {
                    // An emulator that does not answer is ending, or is busy for a moment.
                    let Ok(messages) = emulator.receive(&url, queue.batch_size.min(10), 1) else {
                        std::thread::sleep(std::time::Duration::from_secs(1));
                        continue;
                    };
                    if messages.is_empty() {
                        continue;
                    }
                    let records: Vec<_> =
                        messages.iter().map(|message| record(message, &queue.arn)).collect();
                    let event = serde_json::json!({ "Records": records });
                    let Reply::Response(answer) = gateway.invoke(&name, event.to_string().into_bytes())
                    else {
                        continue;
                    };
                    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
                    for message in messages.iter().filter(|message| !is_left(&answer, message)) {
                        // What cannot be deleted comes again, as on AWS.
                        let _ = emulator.delete(&url, message);
                    }
                }
            });
        }
    }
}

/// A message as Lambda hands it over.
fn record(message: &Value, queue: &str) -> Value {
    let get = |name: &str| message.get(name).cloned().unwrap_or_default();
    serde_json::json!({
        "messageId": get("MessageId"),
        "receiptHandle": get("ReceiptHandle"),
        "body": get("Body"),
        "md5OfBody": get("MD5OfBody"),
        "attributes": get("Attributes"),
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": queue,
        "awsRegion": crate::emulator::REGION,
    })
}

/// Whether the function could not handle a message of the batch.
fn is_left(answer: &Value, message: &Value) -> bool {
    let failures = answer.get("batchItemFailures").and_then(Value::as_array);
    failures.into_iter().flatten().any(|each| each.get("itemIdentifier") == message.get("MessageId"))
}

/// The template's parameters on this machine.
fn parameters(variable: impl Fn(&str) -> Option<String>) -> Result<Vec<(&'static str, String)>, StackError> {
    let digest = Sha256::digest(TOKEN).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut parameters = vec![
        ("CallbackTokenSha256", digest),
        ("Stage", "dev".to_owned()),
        // A deployment names each of its releases; here there is only ever one.
        ("Release", "local".to_owned()),
    ];
    for (parameter, (name, own)) in ["LineServiceIds", "TencentSdkAppIds"].into_iter().zip(SAMPLES_OWN) {
        let value = variable(name).unwrap_or_else(|| own.to_owned());
        let allowed = |each: char| each.is_ascii_alphanumeric() || "._,-".contains(each);
        if value.is_empty() {
            return Err(StackError::new(format!(
                "{name} is empty: name yours, say any, or leave it out for the sample events' own"
            )));
        }
        if !value.chars().all(allowed) {
            return Err(StackError::new(format!(
                "{name} must be a list separated by commas, without spaces: {value}"
            )));
        }
        parameters.push((parameter, value));
    }
    Ok(parameters)
}

fn env_file_holds(value: &str) -> bool {
    value.chars().all(|each| each.is_ascii_alphanumeric() || "._,:/@-".contains(each))
}

/// KEY=value lines without quotes, so that a shell's `source` and a simple parser read the same.
fn env_file_text(variables: &[(String, String)]) -> Result<String, StackError> {
    let lines = variables.iter().map(|(name, value)| {
        if env_file_holds(value) {
            return Ok(format!("{name}={value}\n"));
        }
        Err(StackError::new(format!("{name} holds a character that stack.env cannot hold: {value}")))
    });
    lines.collect()
}

/// The folder of the repository.
pub(crate) fn root() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().unwrap_or(crate_folder).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_own_lists_are_the_default_and_the_callers_win() {
        let given = parameters(|_| None).unwrap();
        assert!(given.contains(&("Stage", "dev".to_owned())));
        assert!(given.contains(&("LineServiceIds", SAMPLES_OWN[0].1.to_owned())));
        let given = parameters(|_| Some("any".to_owned())).unwrap();
        assert!(given.contains(&("LineServiceIds", "any".to_owned())));
        for value in ["", "a b"] {
            let error = parameters(|_| Some(value.to_owned())).unwrap_err().to_string();
            assert!(error.starts_with("LINE_SERVICE_IDS"), "{error}");
        }
    }

    #[test]
    fn a_value_that_a_shell_would_take_apart_is_refused() {
        let text = |value: &str| env_file_text(&[("NAME".to_owned(), value.to_owned())]);
        assert_eq!(text("http://127.0.0.1:9000/t").unwrap(), "NAME=http://127.0.0.1:9000/t\n");
        for value in ["a b", "$HOME", "`id`", "a'b", "a\nb", "a;b"] {
            assert!(text(value).is_err(), "{value}");
        }
    }

    #[test]
    fn a_message_stays_in_its_queue_when_the_function_names_it() {
        let answer = serde_json::json!({ "batchItemFailures": [{ "itemIdentifier": "1" }] });
        let message = |id: &str| serde_json::json!({ "MessageId": id });
        assert!(is_left(&answer, &message("1")) && !is_left(&answer, &message("2")));
        assert!(!is_left(&Value::Null, &message("1")));
    }
}
