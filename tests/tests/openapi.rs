//! The built function does what docs/devices.openapi.yaml says. schemathesis makes up the requests from that
//! page: values at all bounds and beyond, fields that are missing or of another type, and whole stories.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use ringback_tests::control_plane::Function;
use ringback_tests::gateway::{self, Request};
use ringback_tests::stack::{function_variables, new_devices_table};
use serde_json::{Value, json};

const CREDENTIALS: &str = "Bearer of-schemathesis";

/// What API Gateway would say of who asks. A request without credentials goes through, so that it is the
/// function that refuses it.
fn caller(request: &Request) -> Result<Value, u16> {
    Ok(match request.header("authorization") {
        Some(CREDENTIALS) if request.path.starts_with("/users/") => {
            json!({ "iam": { "accessKey": "local" } })
        }
        Some(CREDENTIALS) => json!({ "jwt": { "claims": { "sub": "bob" } } }),
        _ => Value::Null,
    })
}

#[test]
fn the_function_keeps_to_its_description() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut variables = function_variables();
    variables.extend([("DEVICES_TABLE", new_devices_table()), ("JWT_SERVICE_ID", "planetkit".to_owned())]);
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = gateway::serve(listener, Function::start("devices", &variables), caller).unwrap();
    let checked = Command::new(root.join(".local/schemathesis/bin/schemathesis"))
        .arg("--config-file")
        .arg(root.join("tests/schemathesis.toml"))
        .arg("run")
        .arg(root.join("docs/devices.openapi.yaml"))
        .args(["--url", &format!("http://{}", server.address)])
        .args(["--header", &format!("Authorization: {CREDENTIALS}")])
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{said}{}", String::from_utf8_lossy(&checked.stderr));
    assert!(said.contains("6 selected"), "not all operations were tried: {said}");
}
