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
        let (processors, memory) = (read("/proc/cpuinfo"), between(&read("/proc/meminfo"), "MemTotal:"));
        let name = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let version =
            |program: &str| said(&root.join(".local/bench").join(program).to_string_lossy(), &["--version"]);
        let pinned = |file: &str, before: &str| between(&read(file), before);
        let [sdk, runtime] =
            ["aws-sdk-dynamodb", "lambda_runtime"].map(|it| format!("name = \"{it}\"\nversion = \""));
        Self {
            date: said("date", &["-u", "+%F"]),
            cores: processors.lines().filter(|line| line.starts_with("processor")).count(),
            processor: name.map_or_else(String::new, |(_, name)| name.to_owned()),
            memory_gib: (memory.parse::<f64>().unwrap_or_default() / 1024.0 / 1024.0).round(),
            system: said("uname", &["-sr"]),
            load: between(&read("/proc/loadavg"), ""),
            versions: vec![
                ("rustc", said("rustc", &["--version"]).replace("rustc ", "")),
                ("aws-sdk-dynamodb", pinned("Cargo.lock", &sdk)),
                ("lambda_runtime", pinned("Cargo.lock", &runtime)),
                ("the floor's lambda_runtime", pinned("bench/Cargo.lock", &runtime)),
                ("stock's aws-sdk-dynamodb", pinned("bench/peers/stock/Cargo.lock", &sdk)),
                ("Node", version("node/node").replace('v', "")),
                ("client-dynamodb", pinned("bench/peers/node/package.json", "client-dynamodb\": \"")),
                ("Python", version("python/bin/python").replace("Python ", "")),
                ("boto3", pinned("bench/peers/python/requirements.txt", "boto3==")),
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
