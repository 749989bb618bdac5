//! The tables as they are written: one file a theme, one TOML table a row, or a code table with a line a row.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use crate::Wrong;
use crate::row::Row;

/// The tables of rows that differ in a few values only.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Codes {
    /// What all its rows have in common.
    #[serde(default)]
    base: Table,
    /// The first is the case's name; each other one says where its values go, as in `call.outcome`.
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

/// The folder that holds a folder of tables for each function.
pub(crate) fn tables() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What is in a folder, sorted.
pub(crate) fn folder(path: &Path) -> Result<Vec<PathBuf>, Wrong> {
    let entries = fs::read_dir(path).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut paths: Vec<PathBuf> =
        entries.map_err(|error| wrong(path, error))?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

/// A file of JSON.
pub(crate) fn json(path: &Path) -> Result<serde_json::Value, Wrong> {
    serde_json::from_str(&read(path)?).map_err(|error| wrong(path, error))
}

/// The sections of a table file, in their order, each merged with the file's `[base]`.
pub(crate) fn sections(path: &Path) -> Result<(Table, Table), Wrong> {
    let mut sections: Table = toml::from_str(&read(path)?).map_err(|error| wrong(path, error))?;
    match sections.remove("base") {
        Some(Value::Table(base)) => Ok((base, sections)),
        Some(_) => Err(wrong(path, "base is not a table")),
        None => Ok((Table::new(), sections)),
    }
}

/// The rows of a file, each with what it has in common with the others.
pub(crate) fn rows(path: &Path) -> Result<Vec<(String, Row)>, Wrong> {
    let (base, mut sections) = sections(path)?;
    let mut rows = Vec::new();
    if let Some(codes) = sections.remove("codes") {
        let codes: Vec<Codes> = codes.try_into().map_err(|error| wrong(path, error))?;
        for Codes { base: common, columns, rows: lines } in codes {
            for line in lines {
                let (case, row) = row_of_codes(&columns, line).map_err(|what| wrong(path, what))?;
                rows.push((case, merge(merge(base.clone(), common.clone()), row)));
            }
        }
    }
    for (case, section) in sections {
        let Value::Table(row) = section else { return Err(wrong(path, format!("{case} is not a table"))) };
        rows.push((case, merge(base.clone(), row)));
    }
    rows.into_iter()
        .map(|(case, row)| {
            let row = row.try_into().map_err(|error| wrong(path, format!("{case}: {error}")))?;
            Ok((case, row))
        })
        .collect()
}

/// A row of one line: its values go where the columns say.
fn row_of_codes(columns: &[String], line: Vec<Value>) -> Result<(String, Table), String> {
    if columns.len() != line.len() {
        return Err(format!("{} columns, and a row of {}: {line:?}", columns.len(), line.len()));
    }
    let mut cells = line.into_iter();
    let Some(Value::String(case)) = cells.next() else { return Err("a row without a name".to_owned()) };
    let mut row = Table::new();
    for (column, cell) in columns.iter().skip(1).zip(cells) {
        let nested = column
            .rsplit('.')
            .fold(cell, |inner, name| Value::Table(std::iter::once((name.to_owned(), inner)).collect()));
        if let Value::Table(nested) = nested {
            row = merge(row, nested);
        }
    }
    Ok((case, row))
}

/// Tables are merged name by name; anything else of the second takes the place of the first.
pub(crate) fn merge(mut first: Table, second: Table) -> Table {
    for (name, value) in second {
        let merged = match (first.remove(&name), value) {
            (Some(Value::Table(old)), Value::Table(new)) => Value::Table(merge(old, new)),
            (_, new) => new,
        };
        first.insert(name, merged);
    }
    first
}

fn read(path: &Path) -> Result<String, Wrong> {
    fs::read_to_string(path).map_err(|error| wrong(path, error))
}

pub(crate) fn wrong(path: &Path, what: impl std::fmt::Display) -> Wrong {
    Wrong(format!("{}: {what}", path.display()))
}
