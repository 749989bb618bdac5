//! A vendor that is neither LINE nor Tencent, with its loft in the body and its signature in a
//! header, comes in by the real gate and becomes a record. Nothing in the library knows of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use ringback::call::CallFacts;
use ringback::call::model::{Arrival, SessionId};
use ringback::call::record::{Received, Record};
use ringback::door::vendor::{SignatureScheme, Variable, Vendor, Verdict, Verify};
use ringback::door::{access::Verified, request::Request};
use ringback::door::{callback::Callback, route::Route};
use ringback::lambda::handler::Handler;
use ringback::lambda::http::{GatewayEvent, answer};
use ringback::lambda::settings::Environment;
use ringback::testing::{self, ARRIVAL, DeadTopic, MemoryTable, TOKEN, block_on};
use ringback::text::{json::Json, refusal::Refusal};
use serde_json::json;
use sha2::{Digest, Sha256};

static PIGEON: Vendor = Vendor {
    name: "pigeon",
    ids_variable: Variable { name: "PIGEON_LOFTS", expected: "lofts separated by commas, or the word any" },
    sources_variable: "PIGEON_SOURCE_CIDRS",
    ids: |request| text_in(request.body(), "loft").map(Some).into_iter().collect(),
    may_name_none: |_| false,
    signature: Some(SignatureScheme {
        variable: Variable { name: "PIGEON_SECRET", expected: "a secret" },
        verifier: |text| Some(Box::new(Secret(text.to_owned()))),
    }),
    body: |verdict: &Verdict| format!("{} {}", verdict.status, verdict.code),
};

static LANDED: Route =
    Route { callback: "pigeon_landed", vendor: &PIGEON, method: "POST", path: "/pigeon/landed" };

const CALLBACK: Callback = Callback { route: &LANDED, read: |request| read(request).map(Some) };

#[derive(Debug)]
struct Secret(String);

impl Secret {
    fn sign(&self, body: &str) -> String {
        Sha256::digest(format!("{}{body}", self.0)).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Verify for Secret {
    fn verifies(&self, request: &Request, _: Arrival) -> bool {
        request.header("X-Pigeon-Signature").is_some_and(|sent| sent == self.sign(request.body()))
    }
}

fn text_in(body: &str, name: &str) -> Option<String> {
    Json::parse(body).ok()?.member(name)?.scalar().map(str::to_owned)
}

fn read(request: &Verified) -> Result<Record, Refusal> {
    let session = text_in(request.body(), "flight").and_then(|flight| SessionId::parse(&flight));
    Ok(Record {
        session: session.ok_or(Refusal::MissingField("flight"))?,
        origin: request.route().origin(),
        what: "landed".to_owned(),
        who: None,
        at: None,
        received: Received::default().with_members(&Json::parse(request.body())?),
        call: CallFacts { over: true, ..CallFacts::default() },
    })
}

/// What a callback is answered with, and the table after it.
fn send(body: &str, signature: &str) -> (u16, String, MemoryTable) {
    let environment = Environment::from_pairs(&[
        ("CALLBACK_TOKEN_SHA256", "128221626c643cda6c13a4375b74d2a0086abe6df589f4f5fcdb5a036ef9329e"),
        ("PIGEON_LOFTS", "loft-1"),
        ("PIGEON_SECRET", "a-secret"),
    ]);
    let table = MemoryTable::default();
    let gate = environment.gate(&LANDED).unwrap();
    let handler = testing::recorder_behind(gate, CALLBACK, &table, DeadTopic);
    let event = json!({
        "rawPath": format!("/{TOKEN}/pigeon/landed"),
        "headers": { "x-pigeon-signature": signature },
        "body": body,
        "requestContext": { "http": { "method": "POST" } },
    });
    let event: GatewayEvent = serde_json::from_value(event).unwrap();
    let answer = answer(&LANDED, &block_on(handler.handle(event.into(), ARRIVAL)).outcome);
    (answer.status, answer.body.unwrap_or_default(), table)
}

#[test]
fn a_vendor_that_signs_in_a_header_and_names_its_service_in_the_body_comes_in_and_is_recorded() {
    let body = r#"{"loft":"loft-1","flight":"f-7"}"#;
    let (status, said, table) = send(body, &Secret("a-secret".to_owned()).sign(body));
    assert_eq!((status, said.as_str()), (200, "200 recorded"));
    let call = table.call();
    assert_eq!(
        (&call["provider"], &call["sid"], &call["status"]),
        (&json!("pigeon"), &json!("f-7"), &json!("ended"))
    );
    assert_eq!(table.events()[0]["callback"], "pigeon_landed");
}

#[test]
fn its_signature_and_its_service_are_checked_as_its_own_folder_says() {
    let signed = |body: &str| send(body, &Secret("a-secret".to_owned()).sign(body));
    for (expected, (status, said, table)) in [
        ("403 wrong_signature", send(r#"{"loft":"loft-1","flight":"f-7"}"#, "0")),
        ("403 not_ours", signed(r#"{"loft":"loft-2","flight":"f-7"}"#)),
        ("403 not_ours", signed(r#"{"flight":"f-7"}"#)),
        ("400 missing_field", signed(r#"{"loft":"loft-1"}"#)),
    ] {
        assert_eq!((said.as_str(), table.items().len()), (expected, 0), "{status}");
    }
}
