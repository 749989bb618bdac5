//! The HTTP API of the registry of devices, from API Gateway's event to the answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use proptest::prelude::*;
use ringback::call::model::Arrival;
use ringback::lambda::api::Api;
use ringback::lambda::api::event::ApiEvent;
use ringback::lambda::api::jwt::JwtUsers;
use ringback::lambda::api::log_line::log_line;
use ringback::lambda::devices::answer::answer;
use ringback::lambda::devices::request::BODY_BYTES;
use ringback::lambda::devices::{DevicesApi, Handled};
use ringback::lambda::request_line::RequestContext;
use ringback::ring::registry::{FindDevices, Forget, Register};
use ringback::testing::phones::{DeadDevices, MemoryDevices};
use ringback::testing::{ARRIVAL, block_on};
use serde_json::{Value, json};

const BOBS_PHONE: &str = "/users/planetkit/bob/devices/phone-1";

/// A token of APNs' form: 64 hex digits.
fn token(number: usize) -> String {
    format!("{number:064x}")
}

fn registration(number: usize) -> Value {
    json!({ "platform": "apns_voip", "token": token(number), "app": "com.example.app" })
}

fn event(method: &str, path: &str, authorizer: &Value, body: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "ANY /{proxy+}", "rawPath": path, "rawQueryString": "", "headers": {},
        "body": body, "isBase64Encoded": false,
        "requestContext": { "http": { "method": method }, "stage": "$default", "authorizer": authorizer },
    })
}

/// A request that an app server has signed.
fn signed(method: &str, path: &str, body: &Value) -> Value {
    let iam =
        json!({ "iam": { "accountId": "123456789012", "userArn": "arn:aws:iam::123456789012:role/app" } });
    event(method, path, &iam, &if body.is_null() { String::new() } else { body.to_string() })
}

/// A request with an app's token.
fn with_token(method: &str, path: &str, claims: &Value, body: &Value) -> Value {
    event(method, path, &json!({ "jwt": { "claims": claims, "scopes": null } }), &body.to_string())
}

struct Answered {
    status: u16,
    headers: lambda_http::http::HeaderMap,
    text: String,
    line: String,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{:?}", self.text))
    }
}

fn send_at<R: FindDevices + Register + Forget>(registry: R, event: &Value, now: Arrival) -> Answered {
    let api = DevicesApi::new(registry, JwtUsers::new("planetkit", "sub"));
    answered(&block_on(api.handle(&api_event(event), now)))
}

fn send<R: FindDevices + Register + Forget>(registry: R, event: &Value) -> Answered {
    send_at(registry, event, ARRIVAL)
}

fn api_event(event: &Value) -> ApiEvent {
    serde_json::from_value(event.clone()).unwrap()
}

fn answered(handled: &Handled) -> Answered {
    let answer = answer(&handled.outcome);
    let context =
        RequestContext { took: std::time::Duration::ZERO, cold: false, status: answer.status, trace: None };
    let line = log_line(handled, &context).in_metric_format(&Default::default(), ARRIVAL);
    let text = answer.body.as_ref().map(|(_, text)| text.clone()).unwrap_or_default();
    let response = ApiGatewayV2httpResponse::from(answer);
    assert_eq!(response.headers["cache-control"], "no-store");
    let status = u16::try_from(response.status_code).unwrap();
    let kind = response.headers.get("content-type").map(|kind| kind.to_str().unwrap());
    match status {
        204 => assert_eq!((kind, text.as_str()), (None, "")),
        ..400 => assert_eq!(kind, Some("application/json")),
        _ => {
            assert_eq!(kind, Some("application/problem+json"));
            let problem: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(problem["status"], status);
            for member in ["title", "code", "detail"] {
                assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
            }
        }
    }
    Answered { status, headers: response.headers, text, line }
}

#[test]
fn a_phone_is_registered_renewed_shown_listed_and_removed() {
    let table = MemoryDevices::default();
    let put = signed("PUT", BOBS_PHONE, &registration(1));
    let first = send(table.registry(), &put);
    assert_eq!((first.status, first.json()), (201, json!({ "result": "registered" })));
    let tomorrow = Arrival { milliseconds: ARRIVAL.milliseconds + 86_400_000 };
    let again = send_at(table.registry(), &put, tomorrow);
    assert_eq!((again.status, again.json()), (200, json!({ "result": "renewed" })));

    let shown = send_at(table.registry(), &signed("GET", BOBS_PHONE, &Value::Null), tomorrow);
    let phone = json!({
        "device": "phone-1", "platform": "apns_voip", "app": "com.example.app", "token_ends_with": "0001",
        "registered_at": tomorrow.milliseconds, "expires_at": tomorrow.seconds() + 270 * 86_400,
    });
    assert_eq!((shown.status, shown.json()), (200, phone.clone()));
    send_at(
        table.registry(),
        &signed("PUT", "/users/planetkit/bob/devices/tablet", &registration(2)),
        ARRIVAL,
    );
    let list = signed("GET", "/users/planetkit/bob/devices", &Value::Null);
    let listed = send_at(table.registry(), &list, tomorrow).json();
    assert_eq!(listed["devices"][0], phone, "the newest comes first");
    assert_eq!(listed["devices"][1]["device"], "tablet");

    for _ in 0..2 {
        assert_eq!(send(table.registry(), &signed("DELETE", BOBS_PHONE, &Value::Null)).status, 204);
    }
    let gone = send(table.registry(), &signed("GET", BOBS_PHONE, &Value::Null));
    assert_eq!((gone.status, &gone.json()["code"]), (404, &json!("not_registered")));
    assert_eq!(send(table.registry(), &list).json()["devices"].as_array().unwrap().len(), 1);
}

#[test]
fn a_phone_that_changed_hands_is_its_new_users_only() {
    let table = MemoryDevices::default();
    send(table.registry(), &signed("PUT", BOBS_PHONE, &registration(1)));
    let carol = signed("PUT", "/users/planetkit/carol/devices/phone-1", &registration(1));
    assert_eq!(send(table.registry(), &carol).status, 201);
    let list = |user: &str| {
        let event = signed("GET", &format!("/users/planetkit/{user}/devices"), &Value::Null);
        send(table.registry(), &event).json()["devices"].as_array().unwrap().len()
    };
    assert_eq!((list("bob"), list("carol"), table.owners().len()), (0, 1, 1));
}

#[test]
fn the_26th_device_is_registered_and_the_one_registered_longest_ago_goes() {
    let table = MemoryDevices::default();
    for number in 0..26 {
        let path = format!("/users/planetkit/bob/devices/phone-{number}");
        let now = Arrival { milliseconds: ARRIVAL.milliseconds + number as u64 };
        assert_eq!(send_at(table.registry(), &signed("PUT", &path, &registration(number)), now).status, 201);
    }
    let listed = send(table.registry(), &signed("GET", "/users/planetkit/bob/devices", &Value::Null)).json();
    let devices = listed["devices"].as_array().unwrap();
    assert_eq!((devices.len(), &devices[24]["device"]), (25, &json!("phone-1")));
}

#[test]
fn an_app_registers_its_own_user_and_no_one_else() {
    let bob = json!({ "sub": "bob", "iss": "https://issuer.example", "aud": "ringback" });
    let table = MemoryDevices::default();
    let put = with_token("PUT", "/devices/phone-1", &bob, &registration(1));
    assert_eq!(send(table.registry(), &put).status, 201);
    let owner = table.all()[0].user.clone();
    assert_eq!((owner.service.as_str(), owner.id.reveal()), ("planetkit", "bob"));

    let mut body = registration(1);
    body["user"] = json!("alice");
    let in_the_body = send(table.registry(), &with_token("PUT", "/devices/phone-1", &bob, &body));
    assert_eq!((in_the_body.status, &in_the_body.json()["field"]), (400, &json!("body")));
    for path in ["/users/planetkit/alice/devices/phone-1", "/users/planetkit/bob/devices/phone-1"] {
        for method in ["PUT", "GET", "DELETE"] {
            let by_the_path = send(table.registry(), &with_token(method, path, &bob, &registration(2)));
            assert_eq!((by_the_path.status, &by_the_path.json()["code"]), (403, &json!("not_allowed")));
        }
    }
    let mut elsewhere = put.clone();
    elsewhere["headers"] = json!({ "sub": "alice", "x-user": "alice" });
    elsewhere["queryStringParameters"] = json!({ "user": "alice" });
    elsewhere["pathParameters"] = json!({ "user": "alice" });
    elsewhere["requestContext"]["authorizer"]["lambda"] = json!({ "sub": "alice" });
    assert_eq!(send(table.registry(), &elsewhere).status, 200);
    assert_eq!(table.all().len(), 1);
    assert_eq!(table.all()[0].user, owner);
    assert_eq!(
        send(table.registry(), &with_token("DELETE", "/devices/phone-1", &bob, &Value::Null)).status,
        204
    );
    assert_eq!(table.all(), []);
}

#[test]
fn an_app_removes_no_one_elses_phone() {
    let table = MemoryDevices::default();
    send(table.registry(), &signed("PUT", BOBS_PHONE, &registration(1)));
    let eve = with_token("DELETE", "/devices/phone-1", &json!({ "sub": "eve" }), &Value::Null);
    assert_eq!(send(table.registry(), &eve).status, 204);
    assert_eq!(table.all().len(), 1);
}

#[test]
fn a_token_whose_claim_names_no_user_registers_nothing() {
    let table = MemoryDevices::default();
    for claims in [
        json!({ "iss": "https://issuer.example" }),
        json!({ "sub": "" }),
        json!({ "sub": null }),
        json!({ "sub": 7 }),
        json!({ "sub": ["bob"] }),
        json!({ "Sub": "bob" }),
        json!({ "sub": "b\u{0}b" }),
        json!({ "sub": "b".repeat(5_000) }),
    ] {
        let put = send(table.registry(), &with_token("PUT", "/devices/phone-1", &claims, &registration(1)));
        assert_eq!((put.status, &put.json()["code"]), (403, &json!("unusable_claim")), "{claims}");
    }
    assert_eq!(table.all(), []);
}

#[test]
fn the_user_can_be_another_claim() {
    let table = MemoryDevices::default();
    let api = DevicesApi::new(table.registry(), JwtUsers::new("planetkit", "custom:user_id"));
    let claims = json!({ "sub": "0a1b", "custom:user_id": "bob" });
    let put = api_event(&with_token("PUT", "/devices/phone-1", &claims, &registration(1)));
    assert_eq!(answered(&block_on(api.handle(&put, ARRIVAL))).status, 201);
    assert_eq!(table.all()[0].user.id.reveal(), "bob");
}

#[test]
fn without_jwt_users_an_app_has_no_address() {
    let api = DevicesApi::new(DeadDevices, None);
    let put = api_event(&with_token("PUT", "/devices/phone-1", &json!({ "sub": "bob" }), &registration(1)));
    assert_eq!(answered(&block_on(api.handle(&put, ARRIVAL))).status, 404);
}

#[test]
fn without_proof_of_who_asks_nothing_is_done() {
    let table = MemoryDevices::default();
    send(table.registry(), &signed("PUT", BOBS_PHONE, &registration(1)));
    let before = table.all();
    for authorizer in [
        Value::Null,
        json!({}),
        json!({ "iam": null }),
        json!({ "iam": {} }),
        json!({ "iam": "yes" }),
        json!({ "jwt": { "scopes": [] } }),
        json!({ "jwt": { "claims": {} } }),
        json!({ "jwt": "yes" }),
        json!("iam"),
    ] {
        for (method, path, scheme) in [
            ("PUT", BOBS_PHONE, "AWS4-HMAC-SHA256"),
            ("GET", BOBS_PHONE, "AWS4-HMAC-SHA256"),
            ("DELETE", BOBS_PHONE, "AWS4-HMAC-SHA256"),
            ("GET", "/users/planetkit/bob/devices", "AWS4-HMAC-SHA256"),
            ("PUT", "/devices/phone-1", "Bearer"),
            ("DELETE", "/devices/phone-1", "Bearer"),
        ] {
            let answer =
                send(table.registry(), &event(method, path, &authorizer, &registration(2).to_string()));
            assert_eq!(answer.status, 401, "{authorizer} {method} {path}");
            assert_eq!(answer.headers["www-authenticate"], scheme);
        }
    }
    let mut without = signed("DELETE", BOBS_PHONE, &Value::Null);
    without["requestContext"].as_object_mut().unwrap().remove("authorizer");
    assert_eq!(send(table.registry(), &without).status, 401);
    assert_eq!(table.all(), before);
}

#[test]
fn a_signature_is_no_apps_token() {
    let answer =
        send(MemoryDevices::default().registry(), &signed("PUT", "/devices/phone-1", &registration(1)));
    assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("not_allowed")));
}

#[test]
fn a_wrong_method_learns_the_right_ones() {
    for (path, methods) in [
        (BOBS_PHONE, "GET, PUT, DELETE"),
        ("/users/planetkit/bob/devices", "GET"),
        ("/devices/phone-1", "PUT, DELETE"),
    ] {
        for method in ["POST", "PATCH", "HEAD", "put", ""] {
            let answer = send(MemoryDevices::default().registry(), &signed(method, path, &registration(1)));
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.headers["allow"], methods);
        }
    }
}

#[test]
fn an_unknown_address_is_404() {
    for path in
        ["", "/", "/users", "/users/planetkit/bob", "/users/planetkit/bob/phones/1", "/device/1", "/devices"]
    {
        let answer = send(MemoryDevices::default().registry(), &signed("GET", path, &Value::Null));
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("unknown_url")), "{path}");
    }
}

#[test]
fn what_a_body_lacks_is_named_and_nothing_is_registered() {
    let table = MemoryDevices::default();
    let with = |name: &str, value: Value| {
        let mut body = registration(1);
        body[name] = value;
        body.to_string()
    };
    let without = |name: &str| {
        let mut body = registration(1);
        body.as_object_mut().unwrap().remove(name);
        body.to_string()
    };
    for (body, field, code) in [
        (without("platform"), "platform", "missing_field"),
        (without("token"), "token", "missing_field"),
        (without("app"), "app", "missing_field"),
        (with("platform", json!(["fcm"])), "platform", "missing_field"),
        (with("platform", json!("apns")), "platform", "unusable_field"),
        (with("platform", json!("")), "platform", "unusable_field"),
        (with("token", json!(7)), "token", "missing_field"),
        (with("token", json!("")), "token", "unusable_field"),
        (with("token", json!("a".repeat(8_193))), "token", "unusable_field"),
        (with("app", json!("")), "app", "unusable_field"),
        (with("app", json!("a".repeat(5_000))), "app", "unusable_field"),
        (with("platfrom", json!("fcm")), "body", "unknown_field"),
        (String::new(), "body", "not_json"),
        ("null".to_owned(), "body", "not_json"),
        ("[]".to_owned(), "body", "not_json"),
        (r#"{"platform":"fcm""#.to_owned(), "body", "not_json"),
        ("[".repeat(BODY_BYTES), "body", "not_json"),
        (" ".repeat(BODY_BYTES + 1), "body", "too_long"),
    ] {
        let answer =
            send(table.registry(), &event("PUT", BOBS_PHONE, &json!({ "iam": { "a": "b" } }), &body));
        assert_eq!(answer.status, 400, "{body}");
        let problem = answer.json();
        assert_eq!((&problem["field"], &problem["code"]), (&json!(field), &json!(code)), "{body}");
    }
    for (path, field) in [
        ("/users//bob/devices/phone-1".to_owned(), "user"),
        ("/users/planetkit//devices/phone-1".to_owned(), "user"),
        (format!("/users/planetkit/{}/devices/phone-1", "b".repeat(5_000)), "user"),
        ("/users/planetkit/bob/devices/".to_owned(), "device"),
        (format!("/users/planetkit/bob/devices/{}", "d".repeat(5_000)), "device"),
    ] {
        let answer = send(table.registry(), &signed("PUT", &path, &registration(1)));
        assert_eq!((answer.status, &answer.json()["field"]), (400, &json!(field)), "{path}");
    }
    assert_eq!(table.all(), []);
}

#[test]
fn a_body_may_come_in_base64() {
    use base64::Engine;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let put = |body: String| {
        let mut event = event("PUT", BOBS_PHONE, &json!({ "iam": { "a": "b" } }), &body);
        event["isBase64Encoded"] = json!(true);
        send(MemoryDevices::default().registry(), &event)
    };
    assert_eq!(put(encode(registration(1).to_string().as_bytes())).status, 201);
    for body in [encode(b"\"\xff\""), "***".to_owned(), registration(1).to_string()] {
        assert_eq!(put(body).json()["code"], "not_json");
    }
    assert_eq!(put(encode(&[b' '; BODY_BYTES + 3])).json()["code"], "too_long");
}

#[test]
fn a_registry_out_of_reach_is_a_503_that_says_when_to_try_again() {
    for event in [
        signed("PUT", BOBS_PHONE, &registration(1)),
        signed("GET", BOBS_PHONE, &Value::Null),
        signed("DELETE", BOBS_PHONE, &Value::Null),
        signed("GET", "/users/planetkit/bob/devices", &Value::Null),
        with_token("PUT", "/devices/phone-1", &json!({ "sub": "bob" }), &registration(1)),
    ] {
        let answer = send(DeadDevices, &event);
        assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("registry_unavailable")));
        assert_eq!(answer.headers["retry-after"], "2");
        assert!(answer.line.contains("DynamoDB did not answer in time"), "{}", answer.line);
    }
}

#[test]
fn a_path_is_decoded_once_by_the_gateway_or_by_the_function() {
    // API Gateway has decoded the path. A function URL has not.
    let by_the_gateway = signed("PUT", "/users/planetkit/b%41 b/devices/phone-1", &registration(1));
    let mut by_the_url = signed("PUT", "/users/planetkit/b%2541%20b/devices/phone%2d1", &registration(1));
    by_the_url["requestContext"]["routeKey"] = json!("$default");
    let table = MemoryDevices::default();
    assert_eq!(send(table.registry(), &by_the_gateway).status, 201);
    assert_eq!(send(table.registry(), &by_the_url).status, 200);
    assert_eq!(table.all()[0].user.id.reveal(), "b%41 b");
    by_the_url["rawPath"] = json!("/users/planetkit/%ff/devices/phone-1");
    assert_eq!(send(table.registry(), &by_the_url).json()["field"], "user");
}

#[test]
fn a_stage_or_base_path_may_come_before_the_address() {
    let path = format!("/prod{BOBS_PHONE}");
    assert_eq!(
        send(MemoryDevices::default().registry(), &signed("PUT", &path, &registration(1))).status,
        201
    );
}

#[test]
fn a_line_says_what_was_done_and_to_no_one() {
    let table = MemoryDevices::default();
    let put = send(table.registry(), &signed("PUT", BOBS_PHONE, &registration(1)));
    let line: Value = serde_json::from_str(&put.line).unwrap();
    assert_eq!(line["route"], "/users/{service}/{user}/devices/{device}");
    assert_eq!(
        (&line["operation"], &line["outcome"], &line["status"]),
        (&json!("register"), &json!("registered"), &json!(201))
    );
    assert_eq!(line["device_requests"], 1);
    let unknown: Value =
        serde_json::from_str(&send(table.registry(), &signed("GET", "/x", &Value::Null)).line).unwrap();
    assert_eq!((&unknown["operation"], unknown.get("route")), (&json!("unknown"), None));
}

proptest! {
    #[test]
    fn any_request_is_answered_without_a_5xx_and_no_line_has_a_token_or_an_id(
        method in "GET|PUT|DELETE|POST",
        user in "[!-.0-~]{8,20}", device in "[!-.0-~]{8,20}", token in "[0-9a-f]{64}|\\PC{8,90}",
        platform in "apns_voip|apns_voip_sandbox|fcm|\\PC{0,9}", app in "[a-z.]{8,40}|\\PC{0,90}",
        in_url: bool,
    ) {
        let body = json!({ "platform": platform, "token": token, "app": app });
        let mut event = signed(&method, &format!("/users/planetkit/{user}/devices/{device}"), &body);
        if in_url {
            event["requestContext"]["routeKey"] = json!("$default");
        }
        let table = MemoryDevices::default();
        let answer = send(table.registry(), &event);
        prop_assert!(answer.status < 500, "{}", answer.text);
        for text in [&user, &device, &token] {
            prop_assert!(!answer.line.contains(text.as_str()), "{}", answer.line);
        }
        if answer.status == 201 {
            let list = signed("GET", &format!("/users/planetkit/{user}/devices"), &Value::Null);
            let shown = send(table.registry(), &list);
            prop_assert!(!shown.text.contains(&token), "{}", shown.text);
        }
    }

    #[test]
    fn any_json_is_taken_as_an_event(text in r#"[\[\]{}":,a-z0-9]{0,80}"#) {
        if let Ok(value) = serde_json::from_str::<Value>(&text) {
            prop_assert_eq!(send(DeadDevices, &value).status, 404);
        }
    }
}
