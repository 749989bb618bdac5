//! On what and with what the figures were taken.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// A machine and the versions of what was measured on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's own name.
    pub processor: String,
    /// Its cores.
    pub cores: usize,
    /// Its memory in GiB.
    pub memory_gib: u64,
    /// The operating system and its version.
    pub system: String,
    /// What was measured, with its version.
    pub versions: Vec<(String, String)>,
    /// The day, in UTC.
    pub date: String,
    /// Processes that wanted to run in the minute before, on average: what else there was to do.
    pub load: String,
}

impl Machine {
    /// This one. What cannot be found out is `unknown`.
    pub fn look(root: &Path) -> Self {
        let cores = read(Path::new("/proc/cpuinfo")).lines().filter(|line| line.starts_with("processor")).count();
        let lock = read(&root.join("Cargo.lock"));
        let stock_lock = read(&root.join("bench/peers/stock/Cargo.lock"));
        let in_folder = |path: &str| root.join(path).to_string_lossy().into_owned();
        let of_rust = |name: &str| locked(&lock, name);
        Self {
            processor: after(&read(Path::new("/proc/cpuinfo")), "model name").unwrap_or_else(unknown),
            cores,
            memory_gib: after(&read(Path::new("/proc/meminfo")), "MemTotal")
                .and_then(|text| text.trim_end_matches(" kB").parse::<f64>().ok())
                .map_or(0, |kilobytes| (kilobytes / 1024.0 / 1024.0).round() as u64),
            system: said("uname", &["-sr"]),
            versions: vec![
                ("rustc".to_owned(), said("rustc", &["--version"]).trim_start_matches("rustc ").to_owned()),
                ("aws-sdk-dynamodb".to_owned(), of_rust("aws-sdk-dynamodb")),
                ("lambda_runtime".to_owned(), of_rust("lambda_runtime")),
                ("stock's aws-sdk-dynamodb".to_owned(), locked(&stock_lock, "aws-sdk-dynamodb")),
                (
                    "Node".to_owned(),
                    said(&in_folder(".local/bench/node/node"), &["--version"]).trim_start_matches('v').to_owned(),
                ),
                ("@aws-sdk/client-dynamodb".to_owned(), of_node(root, "@aws-sdk/client-dynamodb")),
                (
                    "Python".to_owned(),
                    said(&in_folder(".local/bench/python/bin/python"), &["--version"])
                        .trim_start_matches("Python ")
                        .to_owned(),
                ),
                ("boto3".to_owned(), of_python(root, "boto3")),
            ],
            date: said("date", &["-u", "+%F"]),
            load: read(Path::new("/proc/loadavg")).split(' ').next().map_or_else(unknown, str::to_owned),
        }
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success());
    output.map_or_else(unknown, |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The value of a line `name: value`.
fn after(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn locked(lock: &str, package: &str) -> String {
    let after =
        lock.split_once(&format!("name = \"{package}\"\nversion = \"")).and_then(|(_, rest)| rest.split_once('"'));
    after.map_or_else(unknown, |(version, _)| version.to_owned())
}

fn of_node(root: &Path, package: &str) -> String {
    let text = read(&root.join("bench/peers/node/package.json"));
    let package_json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let version = package_json.get("dependencies").and_then(|all| all.get(package)?.as_str());
    version.map_or_else(unknown, str::to_owned)
}

fn of_python(root: &Path, package: &str) -> String {
    let text = read(&root.join("bench/peers/python/requirements.txt"));
    let version = text.lines().find_map(|line| line.strip_prefix(package)?.strip_prefix("=="));
    version.map_or_else(unknown, |version| version.split_whitespace().next().unwrap_or(version).to_owned())
}
