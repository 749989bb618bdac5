//! The folders of the library stand on each other like floors. A folder imports from those below it,
//! never from one above or beside it: the vendors know neither each other nor AWS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

/// From the bottom to the top.
const FLOORS: [&[&str]; 6] =
    [&["text"], &["call"], &["door"], &["aws", "line", "tencent"], &["history", "ring"], &["lambda"]];

fn floor(folder: &str) -> usize {
    FLOORS
        .iter()
        .position(|floor| floor.contains(&folder))
        .unwrap_or_else(|| panic!("{folder} is on no floor"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] }).collect()
}

/// The folders that a file takes anything from, but for its tests.
fn imports(code: &str) -> Vec<&str> {
    let code = code.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.split(|character: char| !character.is_ascii_lowercase()).next().unwrap())
        .collect()
}

fn upward(folder: &str, code: &str) -> Vec<String> {
    let above = |import: &&str| *import != folder && floor(import) >= floor(folder);
    imports(code).into_iter().filter(above).map(str::to_owned).collect()
}

#[test]
fn no_import_runs_back_up() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for folder in FLOORS.concat() {
        for file in rust_files(&source.join(folder)) {
            let found = upward(folder, &fs::read_to_string(&file).unwrap());
            assert!(found.is_empty(), "{} imports {found:?}", file.display());
        }
    }
}

#[test]
fn every_folder_has_its_floor() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let folders =
        fs::read_dir(source).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    for folder in folders.filter(|path| !path.ends_with("testing")) {
        floor(folder.file_name().unwrap().to_str().unwrap());
    }
}

#[test]
fn an_import_from_above_or_beside_would_be_noticed() {
    assert_eq!(upward("call", "use crate::text::json::Json;\nuse crate::door::route::Route;"), ["door"]);
    assert_eq!(upward("line", "fn f(role: crate::tencent::codes::Role) {}"), ["tencent"]);
    assert!(upward("call", "// crate::lambda\n#[cfg(test)]\nmod tests { use crate::lambda; }").is_empty());
}
