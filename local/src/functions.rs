//! The functions: started with the environment of template.yaml, and watched.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use ringback_tests::stack::built;
use serde_json::{Value, json};

use crate::error::StackError;
use crate::gateway::Gateway;
use crate::processes::{Process, Processes, command, in_words, last_lines, lock};
use crate::template::Function;

const TO_START: Duration = Duration::from_secs(20);
/// How long after an answer a function may print what it did.
const TO_PRINT: Duration = Duration::from_secs(1);

/// What a function prints.
#[derive(Clone, Debug)]
pub(crate) enum Printed {
    /// About a callback, a message of the spool, or a request to the registry of devices.
    Handled(Value),
    Trouble(String),
}

/// The running functions. Each instance takes one request at a time, as on AWS.
#[derive(Debug)]
pub(crate) struct Functions {
    logs: BTreeMap<String, Mutex<BufReader<File>>>,
    folder: PathBuf,
}

/// One instance of a function, which is started again when it ends.
#[derive(Clone, Debug)]
struct Instance {
    function: Function,
    environment: Vec<(String, String)>,
    log: PathBuf,
    processes: Processes,
}

impl Functions {
    /// Starts so many instances of each function, and returns when all of them wait for events.
    pub(crate) fn start(
        functions: &[Function],
        variables: &[(&'static str, String)],
        processes: &Processes,
        gateway: &Arc<Gateway>,
        folder: &Path,
        instances: usize,
    ) -> Result<Self, StackError> {
        let (mut logs, mut running) = (BTreeMap::new(), Vec::new());
        for function in functions {
            let log = log(folder, &function.name);
            File::create(&log)?;
            logs.insert(function.name.clone(), Mutex::new(BufReader::new(File::open(&log)?)));
            let instance = Instance {
                function: function.clone(),
                environment: environment(function, variables, gateway),
                log,
                processes: processes.clone(),
            };
            for _ in 0..instances {
                running.push((instance.clone(), instance.start()?));
            }
        }
        let deadline = Instant::now() + TO_START;
        while functions.iter().any(|function| gateway.asked(&function.name) < instances) {
            for (instance, process) in &running {
                let name = &instance.function.name;
                let why = match process.ended() {
                    Some(_) => "does not start",
                    None if Instant::now() > deadline && gateway.asked(name) < instances => {
                        "asks for no event"
                    }
                    None => continue,
                };
                let said = last_lines(&instance.log);
                return Err(StackError::new(format!("the function {name} {why}:{said}")));
            }
            sleep(Duration::from_millis(5));
        }
        for (instance, process) in running {
            spawn(move || instance.keep_running(process));
        }
        Ok(Self { logs, folder: folder.to_owned() })
    }

    /// The file with everything that a function prints.
    pub(crate) fn log(&self, function: &str) -> PathBuf {
        log(&self.folder, function)
    }

    /// What a function printed about the request that it has just answered, or about the next message.
    pub(crate) fn line_of(&self, function: &str) -> Value {
        let deadline = Instant::now() + TO_PRINT;
        while Instant::now() < deadline {
            match self.next_line(function) {
                Some(Printed::Handled(fields)) => return fields,
                Some(Printed::Trouble(_)) => {}
                None => sleep(Duration::from_millis(1)),
            }
        }
        Value::Null
    }

    /// The next thing that a function has printed, as far as a person should see it.
    pub(crate) fn next_line(&self, function: &str) -> Option<Printed> {
        let mut log = lock(self.logs.get(function)?);
        loop {
            let mut line = Vec::new();
            let read = log.read_until(b'\n', &mut line).ok()?;
            if !line.ends_with(b"\n") {
                // The rest is still being written.
                log.seek_relative(-i64::try_from(read).ok()?).ok()?;
                return None;
            }
            let fields: Value = serde_json::from_slice(&line).unwrap_or_default();
            let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
            match (text("message"), text("level")) {
                ("callback" | "replay" | "device" | "history", _) => {
                    return Some(Printed::Handled(fields));
                }
                (_, "ERROR" | "WARN") => {
                    return Some(Printed::Trouble(in_words(&String::from_utf8_lossy(&line))));
                }
                _ => {}
            }
        }
    }
}

impl Instance {
    fn start(&self) -> Result<Process, StackError> {
        let log = OpenOptions::new().append(true).open(&self.log)?;
        // Without the caller's shell: a function must not work because of a variable that is set there.
        let mut program = command(built(&self.function.name));
        program.env_clear().envs(self.environment.iter().cloned()).stdout(log.try_clone()?).stderr(log);
        self.processes.start(&mut program)
    }

    /// Replaces an instance that ended, as on AWS, unless the new one would only end again.
    fn keep_running(self, mut process: Process) {
        loop {
            let started = Instant::now();
            let ended = loop {
                match process.ended() {
                    Some(ended) => break ended,
                    None => sleep(Duration::from_millis(20)),
                }
            };
            if self.processes.are_stopping() {
                return;
            }
            let again = started.elapsed() > Duration::from_secs(1);
            let then = if again { "is started again" } else { "is not started again" };
            let trouble = json!({ "level": "ERROR", "message": format!("ended with {ended} and {then}") });
            if let Ok(mut log) = OpenOptions::new().append(true).open(&self.log) {
                // A log that cannot be written has no other place to say so.
                let _ = writeln!(log, "{trouble}");
            }
            if !again {
                return;
            }
            let Ok(next) = self.start() else { return };
            process = next;
        }
    }
}

fn environment(
    function: &Function,
    variables: &[(&'static str, String)],
    gateway: &Gateway,
) -> Vec<(String, String)> {
    let own = [
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory.clone()),
        ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_RUNTIME_API", gateway.runtime_api(&function.name)),
    ];
    let all = variables.iter().cloned().chain(own).map(|(name, value)| (name.to_owned(), value));
    all.chain(function.environment.clone()).collect()
}

fn log(folder: &Path, function: &str) -> PathBuf {
    folder.join(format!("{function}.log"))
}
