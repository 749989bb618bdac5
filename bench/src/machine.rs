//! On what and with what the figures were taken.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

#[derive(Clone, Debug, Default, Serialize)]
pub struct Machine {
    /// The day, in UTC.
    pub date: String,
    pub processor: String,
    pub cores: usize,
    pub memory_gib: f64,
    pub system: String,
    /// Processes that wanted to run in the minute before: what else there was to do.
    pub load: String,
    /// What was measured, with its version.
    pub versions: Vec<(&'static str, String)>,
}

impl Machine {
    /// This one. What cannot be found out is empty.
    pub fn look(root: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        let processors = read("/proc/cpuinfo");
        let local = |program: &str| root.join(".local/bench").join(program).to_string_lossy().into_owned();
        let in_lock = |lock: &str, package: &str| between(&read(lock), &format!("name = \"{package}\"\nversion = \""));
        let memory: f64 = between(&read("/proc/meminfo"), "MemTotal:").parse().unwrap_or_default();
        Self {
            date: said("date", &["-u", "+%F"]),
            cores: processors.lines().filter(|line| line.starts_with("processor")).count(),
            processor: processors
                .lines()
                .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
                .map_or_else(String::new, |(_, name)| name.trim().to_owned()),
            memory_gib: (memory / 1024.0 / 1024.0).round(),
            system: said("uname", &["-sr"]),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            versions: vec![
                ("rustc", said("rustc", &["--version"]).replace("rustc ", "")),
                ("aws-sdk-dynamodb", in_lock("Cargo.lock", "aws-sdk-dynamodb")),
                ("lambda_runtime", in_lock("Cargo.lock", "lambda_runtime")),
                ("the floor's lambda_runtime", in_lock("bench/Cargo.lock", "lambda_runtime")),
                ("stock's aws-sdk-dynamodb", in_lock("bench/peers/stock/Cargo.lock", "aws-sdk-dynamodb")),
                ("Node", said(&local("node/node"), &["--version"])),
                (
                    "@aws-sdk/client-dynamodb",
                    between(&read("bench/peers/node/package.json"), "\"@aws-sdk/client-dynamodb\": \""),
                ),
                ("Python", said(&local("python/bin/python"), &["--version"]).replace("Python ", "")),
                ("boto3", between(&read("bench/peers/python/requirements.txt"), "boto3==")),
            ],
        }
    }
}

/// What follows after some text, up to the next space or quotation mark.
fn between(text: &str, before: &str) -> String {
    let after = text.split_once(before).map_or("", |(_, after)| after.trim_start());
    after.split(|end: char| end.is_whitespace() || end == '"').next().unwrap_or_default().to_owned()
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success());
    output.map_or_else(String::new, |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
