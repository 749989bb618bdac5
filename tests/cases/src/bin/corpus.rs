//! The fuzzer's inputs: made from the cases, or kept in one file for each target, one input a line.
//!
//! `corpus unpack FOLDER` writes the kept inputs and those of the cases into `FOLDER/<target>/`.
//! `corpus pack FOLDER` keeps the shortest inputs of `FOLDER/<target>/`, up to a limit; minimise them before.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ringback_cases::Wrong;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// In the order of `Route::ALL`, by which the target `gateway_event` knows them.
const FUNCTIONS: [&str; 5] =
    ["notify", "call-event", "group-call-event", "agent-call-status", "tencent-call-event"];
/// What a repository can carry.
const KEPT_BYTES: usize = 100_000;
const KEPT_INPUT_BYTES: usize = 2_000;
/// So many callbacks of one call are one input.
const MOST_CALLBACKS: usize = 12;

type Inputs = BTreeMap<&'static str, BTreeSet<Vec<u8>>>;

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("corpus unpack FOLDER, or corpus pack FOLDER")]
    Usage,
    #[error(transparent)]
    Case(#[from] Wrong),
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    #[error("{0}: a line is no kept input")]
    Line(PathBuf),
}

fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["unpack", folder] => unpack(Path::new(folder)),
        ["pack", folder] => pack(Path::new(folder)),
        _ => Err(Failed::Usage),
    }
}

fn kept() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Failed {
    let path = path.to_path_buf();
    move |error| Failed::File(path, error)
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>, Failed> {
    let entries = fs::read_dir(folder).map_err(at(folder))?;
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    if let Ok(paths) = &mut paths {
        paths.sort();
    }
    paths.map_err(at(folder))
}

/// Writes every input under a name that is the same on each run.
fn unpack(folder: &Path) -> Result<(), Failed> {
    let write = |target: &str, input: &[u8]| {
        let folder = folder.join(target);
        let name: String = Sha256::digest(input).iter().take(20).map(|byte| format!("{byte:02x}")).collect();
        let path = folder.join(name);
        fs::create_dir_all(&folder).and_then(|()| fs::write(&path, input)).map_err(at(&path))
    };
    for (target, inputs) in from_cases()? {
        inputs.iter().try_for_each(|input| write(target, input))?;
    }
    // Those packed are in <target>.jsonl, past failures in <target>.mended.jsonl.
    for path in listed(&kept())? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let target = name.split('.').next().unwrap_or_default();
        for text in fs::read_to_string(&path).map_err(at(&path))?.lines() {
            let input = input(text).ok_or_else(|| Failed::Line(path.clone()))?;
            write(target, &input)?;
        }
    }
    Ok(())
}

/// Keeps the shortest inputs of each target that the cases do not give.
fn pack(folder: &Path) -> Result<(), Failed> {
    let given = from_cases()?;
    for folder in listed(folder)?.into_iter().filter(|path| path.is_dir()) {
        let Some(target) = folder.file_name().and_then(|name| name.to_str()) else { continue };
        let mut inputs = Vec::new();
        for path in listed(&folder)? {
            let input = fs::read(&path).map_err(at(&path))?;
            inputs.extend(
                Some(input).filter(|input| !given.get(target).is_some_and(|all| all.contains(input))),
            );
        }
        inputs.sort_by_key(|input| (input.len(), input.clone()));
        let (mut text, mut lines) = (String::new(), 0);
        for input in inputs.iter().filter(|input| input.len() <= KEPT_INPUT_BYTES) {
            let line = line(input);
            if text.len() + line.len() < KEPT_BYTES {
                text = format!("{text}{line}\n");
                lines += 1;
            }
        }
        let path = kept().join(format!("{target}.jsonl"));
        fs::write(&path, &text).map_err(at(&path))?;
        println!("{target}: {lines} of {} inputs, {} bytes", inputs.len(), text.len());
    }
    Ok(())
}

/// Any input as a line of JSON: each byte is a letter of Latin-1, and those beyond ASCII are escaped.
fn line(input: &[u8]) -> String {
    let text: String = input.iter().map(|byte| char::from(*byte)).collect();
    let escaped =
        |each: char| if each.is_ascii() { each.to_string() } else { format!("\\u{:04x}", u32::from(each)) };
    json!(text).to_string().chars().map(escaped).collect()
}

fn input(line: &str) -> Option<Vec<u8>> {
    let text: String = serde_json::from_str(line).ok()?;
    text.chars().map(|each| u8::try_from(each).ok()).collect()
}

/// Inputs from every case and every step of a call, and one input of each whole call.
fn from_cases() -> Result<Inputs, Wrong> {
    let mut inputs = Inputs::new();
    for case in ringback_cases::all()? {
        if case.function() == "replay" {
            let messages = case.event.get("Records").and_then(Value::as_array);
            for message in messages.into_iter().flatten() {
                let body = message.get("body").and_then(Value::as_str).unwrap_or_default();
                inputs.entry("spool_message").or_default().insert(body.into());
            }
        }
        for (target, input) in from_event(case.function(), &case.event) {
            inputs.entry(target).or_default().insert(input);
        }
    }
    for call in ringback_cases::calls()? {
        let mut parts: BTreeMap<&'static str, Vec<Vec<u8>>> = BTreeMap::new();
        for step in &call.steps {
            for (target, input) in from_event(&step.function, &step.event) {
                // The target `query` reads one callback, and so does `gateway_event` of a JSON object.
                if target != "query" && !input.starts_with(b"{") {
                    parts.entry(target).or_default().push(input.clone());
                }
                inputs.entry(target).or_default().insert(input);
            }
        }
        for (target, parts) in parts {
            let whole = parts.chunks(MOST_CALLBACKS).map(|part| part.join(&b"\0"[..]));
            inputs.entry(target).or_default().extend(whole);
        }
    }
    Ok(inputs)
}

/// What an event is to each target.
fn from_event(function: &str, event: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let Some(number) = FUNCTIONS.iter().position(|each| *each == function) else { return Vec::new() };
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let query = text("rawQueryString").as_bytes().to_vec();
    let encoded = event.get("isBase64Encoded").and_then(Value::as_bool).unwrap_or_default();
    let plain = || text("body").as_bytes().to_vec();
    let body = if encoded { STANDARD.decode(text("body")).unwrap_or_else(|_| plain()) } else { plain() };
    let numbered = [number.to_string().as_bytes(), b"", &query, &body].join(&b"\n"[..]);

    // What the targets read of an event.
    let only = |of: &Value, names: &[&str]| -> Map<String, Value> {
        let found = names.iter().filter_map(|name| Some(((*name).to_owned(), of.get(name)?.clone())));
        found.collect()
    };
    let mut read = only(event, &["rawPath", "rawQueryString", "body", "isBase64Encoded"]);
    let http = event.pointer("/requestContext/http").unwrap_or(&Value::Null);
    read.insert("requestContext".into(), json!({ "http": only(http, &["method", "sourceIp"]) }));

    let reader = if function == "tencent-call-event" {
        ("tencent_body", [&query[..], &body].join(&b"\n"[..]))
    } else {
        ("query", query)
    };
    vec![reader, ("gateway_event", numbered), ("gateway_event", Value::Object(read).to_string().into_bytes())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_input_is_a_line_of_ascii_and_comes_back_as_it_was() {
        let every: Vec<u8> = (0..=u8::MAX).collect();
        for bytes in [&every[..], b"", b"\"\\\n\0"] {
            let line = line(bytes);
            assert!(line.is_ascii() && !line.contains('\n'), "{line}");
            assert_eq!(input(&line).as_deref(), Some(bytes));
        }
        assert_eq!(input("\"\u{4e00}\""), None);
    }

    #[test]
    fn every_kept_input_can_be_read() {
        for path in listed(&kept()).unwrap() {
            assert!(fs::read_to_string(&path).unwrap().lines().all(|line| input(line).is_some()), "{path:?}");
        }
    }

    #[test]
    fn every_target_gets_inputs_and_whole_calls_are_among_them() {
        let inputs = from_cases().unwrap();
        let targets: Vec<&str> = inputs.keys().copied().collect();
        assert_eq!(targets, ["gateway_event", "query", "spool_message", "tencent_body"]);
        for target in ["gateway_event", "tencent_body"] {
            assert!(inputs[target].iter().any(|input| input.contains(&0)), "{target}");
        }
    }
}
