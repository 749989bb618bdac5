//! `phones --folder DIR [--push-port N] [--list-port N]`: stand-ins of APNs, FCM and Google's OAuth, until
//! they are stopped. They write `ca.pem`, `apns-key.json` and `fcm-key.json` into the folder, and one line of
//! JSON with `push_url` and `list_url` to the output.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::PathBuf;
use std::process::ExitCode;

use ringback_tests::phones::Phones;
use serde_json::json;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (mut folder, mut push_port, mut list_port) = (None, 0, 0);
    for pair in arguments.chunks(2) {
        match pair {
            [name, value] if name == "--folder" => folder = Some(PathBuf::from(value)),
            [name, value] if name == "--push-port" => push_port = value.parse().expect("a port"),
            [name, value] if name == "--list-port" => list_port = value.parse().expect("a port"),
            _ => folder = None,
        }
    }
    let Some(folder) = folder else {
        eprintln!("phones --folder DIR [--push-port NUMBER] [--list-port NUMBER]");
        return ExitCode::from(2);
    };
    let phones = Phones::start(&folder, push_port, list_port).expect("two free ports and a folder");
    let list_url = format!("http://{}", phones.list_address());
    println!("{}", json!({ "push_url": phones.url(), "list_url": list_url }));
    loop {
        std::thread::park();
    }
}
