//! The console over a real connection, with tables that do not answer; and pages with strangers' text.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::{Client, Config};
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use proptest::prelude::*;
use ringback::history::read::Rows;
use ringback::history::row::CallRow;
use serde_json::json;

use super::query::Asked;
use super::*;

/// A console whose DynamoDB is a port that nothing listens on.
fn console() -> u16 {
    let (sender, port) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let connector = SharedHttpConnector::new(crate::target::connector(true, "http://").unwrap());
            let config = Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("us-east-1"))
                .credentials_provider(Credentials::new("local", "local", None, None, "test"))
                .http_client(http_client_fn(move |_, _| connector.clone()))
                .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
                .endpoint_url("http://127.0.0.1:9")
                .build();
            let reading = Reading {
                views: "views".to_owned(),
                figures: "figures".to_owned(),
                shards: 4,
                stale_hours: 2,
                ..Reading::default()
            };
            let source = Source::new(Client::from_conf(config), "records", &reading, "A test").unwrap();
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            sender.send(port).unwrap();
            axum::serve(listener, routes::router(source, port)).await.unwrap();
        });
    });
    port.recv().unwrap()
}

fn ask(port: u16, method: &str, path: &str, host: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn only_this_machines_own_names_are_answered_and_only_reads() {
    let port = console();
    for name in ["127.0.0.1", "localhost", "[::1]", "LOCALHOST"] {
        let answer = ask(port, "GET", "/style.css", &format!("{name}:{port}"));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{name}: {answer}");
    }
    let other = format!("127.0.0.1:{}", port ^ 1);
    for host in ["evil.example", &format!("evil.example:{port}"), "127.0.0.1", &other, ""] {
        for path in ["/", "/style.css", "/nothing"] {
            let answer = ask(port, "GET", path, host);
            assert!(answer.starts_with("HTTP/1.1 421 "), "{host} {path}: {answer}");
        }
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = ask(port, method, "/", &format!("localhost:{port}"));
        assert!(answer.starts_with("HTTP/1.1 405 "), "{method}: {answer}");
    }
}

#[test]
fn every_answer_forbids_scripts_of_others_frames_and_caching() {
    let port = console();
    let own = format!("localhost:{port}");
    for (path, host) in [("/live.js", own.as_str()), ("/nothing", &own), ("/", &own), ("/", "evil.example")] {
        let answer = ask(port, "GET", path, host).to_lowercase();
        for header in [
            "content-security-policy: default-src 'none'; ",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
        ] {
            assert!(answer.contains(header), "{path}: {header}\n{answer}");
        }
        assert!(!answer.contains("unsafe-inline"));
    }
}

#[test]
fn tables_that_do_not_answer_are_a_page_that_says_what_to_do() {
    let port = console();
    for path in ["/", "/calls", "/live", "/calls/abc", "/users/line/s/alice", "/search?q=alice", "/calls.csv"]
    {
        let answer = ask(port, "GET", path, &format!("localhost:{port}"));
        assert!(answer.starts_with("HTTP/1.1 503 "), "{path}: {answer}");
        assert!(answer.contains("Start it with `make run`"), "{path}: {answer}");
    }
}

#[test]
fn a_filter_that_cannot_be_used_is_a_page_that_names_the_field() {
    let port = console();
    for (query, field) in [
        ("outcome=lost", "outcome"),
        ("kind=trio", "kind"),
        ("from=soon", "from"),
        ("from=2026-11-02T00:00&to=2026-11-01T00:00", "from"),
        ("cursor=x", "cursor"),
    ] {
        // A file has every page.
        let lists = if field == "cursor" { vec!["/calls"] } else { vec!["/calls", "/calls.csv"] };
        for list in lists {
            let answer = ask(port, "GET", &format!("{list}?{query}"), &format!("localhost:{port}"));
            assert!(answer.starts_with("HTTP/1.1 400 "), "{query}: {answer}");
            assert!(answer.contains(&format!("“{field}”")), "{query}: {answer}");
        }
    }
}

fn row(name: &str) -> CallRow {
    serde_json::from_value(json!({
        "provider": "line", "sid": name, "kind": "group", "status": "ended", "at": 1_795_000_005_000_u64,
        "caller": { "service_id": name, "user_id": name }, "room": { "service_id": name, "id": name },
        "reason": { "user_rel_code": name }, "expires_at": 1_895_000_005_u64,
    }))
    .unwrap()
}

#[test]
fn a_filter_goes_on_to_the_next_page_and_into_the_file() {
    let asked = Asked { outcome: "missed".into(), service: "a&b".into(), ..Asked::default() };
    assert_eq!(asked.address("/calls.csv", None), "/calls.csv?outcome=missed&service=a%26b");
}

proptest! {
    #[test]
    fn strangers_text_never_becomes_markup(text in "[<>\"'&a-z/=\u{202e} ]{1,60}") {
        let rows = Rows { rows: vec![row(&text)], next: None };
        let asked = Asked { service: text.clone(), ..Asked::default() };
        let page = calls::main(&asked, &rows).into_string();
        let rows = Rows { rows: vec![row("x")], next: None };
        let harmless = calls::main(&Asked::default(), &rows).into_string();
        // The same tags as with a harmless name; a long one is cut and has a title.
        prop_assert_eq!(page.matches('<').count(), harmless.matches('<').count());
        prop_assert_eq!(page.matches('>').count(), harmless.matches('>').count());
    }

    #[test]
    fn a_length_is_said_in_units_that_add_up(seconds in 0_u64..10_000_000) {
        let said = words::seconds(seconds);
        let parts: Vec<&str> = said.split(' ').collect();
        let units = parts.chunks(2).map(|part| {
            let number: u64 = part[0].parse().unwrap();
            number * match part[1] { "h" => 3_600, "min" => 60, _ => 1 }
        });
        let sum: u64 = units.sum();
        prop_assert!(sum <= seconds && seconds - sum < if seconds < 3_600 { 1 } else { 60 }, "{}", said);
    }
}
