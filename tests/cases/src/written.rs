//! The cases as files, for readers that are not Rust.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::table::{folder, wrong};
use crate::{Wrong, all, calls};

/// Writes `target/cases/`: one file a case, `expected.json` with what must become of each, `calls.json` with
/// whole calls. Files that are right already are left alone, so several readers may write at the same time.
pub fn write() -> Result<PathBuf, Wrong> {
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/cases");
    let mut files = BTreeMap::new();
    let mut expected = Map::new();
    for case in all()? {
        files.insert(target.join(format!("{}.json", case.name)), case.event);
        expected.insert(case.name, case.expected);
    }
    files.insert(target.join("expected.json"), Value::Object(expected));
    files.insert(target.join("calls.json"), told()?);
    for (path, value) in &files {
        let text = format!("{value:#}\n");
        if fs::read_to_string(path).is_ok_and(|known| known == text) {
            continue;
        }
        let parent = path.parent().unwrap_or(&target);
        // A reader never finds half a file.
        let unfinished = path.with_extension(format!("{}.unfinished", std::process::id()));
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&unfinished, text))
            .and_then(|()| fs::rename(&unfinished, path))
            .map_err(|error| wrong(path, error))?;
    }
    forget_others(&target, &files)?;
    Ok(target)
}

/// What is no case any longer must not be read as one.
fn forget_others(target: &Path, files: &BTreeMap<PathBuf, Value>) -> Result<(), Wrong> {
    for function in folder(target)?.into_iter().filter(|path| path.is_dir()) {
        for path in folder(&function)? {
            if path.extension().is_some_and(|extension| extension == "json") && !files.contains_key(&path) {
                fs::remove_file(&path).map_err(|error| wrong(&path, error))?;
            }
        }
    }
    Ok(())
}

fn told() -> Result<Value, Wrong> {
    let calls = calls()?.into_iter().map(|call| {
        let steps = call.steps.into_iter().map(|step| {
            json!({
                "what": step.what, "function": step.function, "event": step.event, "status": step.status,
            })
        });
        json!({
            "name": call.name,
            "why": call.why,
            "told": call.told,
            "any_order": call.any_order,
            "steps": steps.collect::<Vec<_>>(),
            "call": call.call,
        })
    });
    Ok(calls.collect())
}
