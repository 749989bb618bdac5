//! The built program's `devices`, `keys` and `call` where a stack rings, against servers that only write down
//! what they are asked.

use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::server::{Request, serve};
use ringback_tests::phones::{self, Phones};
use serde_json::{Value, json};

struct Ran {
    ok: bool,
    out: String,
    err: String,
}

/// Runs the program with the variables alone, and nothing on its standard input.
fn ringback(arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let done = Command::new(env!("CARGO_BIN_EXE_ringback"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { ok: done.status.success(), out: text(done.stdout), err: text(done.stderr) }
}

type Seen = Arc<Mutex<Vec<Request>>>;

/// A server that writes down its requests.
fn seeing(answer: impl Fn(&Request) -> (u16, Value) + Send + 'static) -> (String, Seen) {
    let seen = Seen::default();
    let shared = Arc::clone(&seen);
    let address = serve(move |request| {
        shared.lock().unwrap().push(request.clone());
        let (status, body) = answer(request);
        (status, if body.is_null() { String::new() } else { body.to_string() })
    });
    (address, seen)
}

/// A local stack's `stack.env`, with more lines.
fn stack_env(more: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "CALLBACK_URL=http://127.0.0.1:1/token\nCALLBACK_TOKEN_SHA256=x\nAWS_REGION=us-east-1\n\
         AWS_ACCESS_KEY_ID=local-key\nAWS_SECRET_ACCESS_KEY=local-secret\nRECORDS_TABLE=t\n\
         PUSH_JOBS_TOPIC_ARN=a\nPUSH_JOBS_QUEUE_URL=q\nSPOOL_QUEUE_URL=q\nDEAD_LETTER_QUEUE_URL=q\n\
         LINE_SERVICE_IDS=planetkit\nTENCENT_SDK_APP_IDS=\n{more}\n"
    );
    std::fs::write(file.path(), text).unwrap();
    file
}

fn devices(base: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let file = stack_env(&format!("DEVICES_URL={base}"));
    let own = [("RINGBACK_STACK_ENV", file.path().to_str().unwrap())];
    ringback(&[&["devices"], arguments].concat(), &[&own[..], variables].concat())
}

#[test]
fn devices_are_managed_with_signed_requests_and_tokens_stay_hidden() {
    let listed = json!({ "devices": [{
        "device": "phone-1", "platform": "apns_voip", "app": "com.example.app", "token_ends_with": "78ad",
        "registered_at": 1_793_600_000_000_u64, "expires_at": 1_816_928_000,
    }] });
    let (base, seen) = seeing(move |request| match request.line.split(' ').next() {
        Some("GET") => (200, listed.clone()),
        Some("PUT") => (201, json!({ "result": "registered" })),
        _ => (204, Value::Null),
    });
    let shown = devices(&base, &["list", "bob"], &[]);
    assert!(shown.ok && shown.out.contains("…78ad") && shown.out.contains("2026-11-02"), "{}", shown.out);
    let phone = ["bob/über", "phone 1", "--platform", "apns_voip", "--app", "com.example.app"];
    let added = devices(&base, &[&["add"], &phone[..]].concat(), &[("DEVICE_TOKEN", "se-cret-token")]);
    assert!(added.ok && !format!("{}{}", added.out, added.err).contains("se-cret"), "{}", added.err);
    assert!(devices(&base, &["remove", "bob", "phone-1", "--service-id", "other"], &[]).ok);

    let seen = seen.lock().unwrap();
    let lines: Vec<&str> = seen.iter().map(|request| request.line.trim()).collect();
    assert_eq!(
        lines,
        [
            "GET /users/planetkit/bob/devices HTTP/1.1",
            "PUT /users/planetkit/bob%2F%C3%BCber/devices/phone%201 HTTP/1.1",
            "DELETE /users/other/bob/devices/phone-1 HTTP/1.1",
        ]
    );
    let registration: Value = serde_json::from_str(&seen[1].body).unwrap();
    let expected = json!({ "platform": "apns_voip", "token": "se-cret-token", "app": "com.example.app" });
    assert_eq!(registration, expected);
    for request in seen.iter() {
        let header = |name: &str| request.headers.iter().find(|(own, _)| own == name).unwrap().1.clone();
        let signature = header("authorization");
        assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=local-key/"), "{signature}");
        assert!(signature.contains("/us-east-1/execute-api/aws4_request"), "{signature}");
        assert!(!header("x-amz-date").is_empty());
    }
}

#[test]
fn what_the_registry_refuses_is_said_with_the_field() {
    let problem =
        json!({ "status": 400, "detail": "It must be a push token of the platform.", "field": "token" });
    let (base, seen) = seeing(move |request| match request.line.split(' ').next() {
        Some("PUT") => (400, problem.clone()),
        _ => (403, json!({ "message": "Forbidden" })),
    });
    let phone = ["add", "bob", "phone-1", "--platform", "fcm", "--app", "project"];
    let refused = devices(&base, &phone, &[("DEVICE_TOKEN", "se-cret")]);
    assert!(!refused.ok && refused.err.contains("400: It must be a push token of the platform. (token)"));
    let forbidden = devices(&base, &["list", "bob"], &[]);
    assert!(!forbidden.ok && forbidden.err.contains("execute-api:Invoke"), "{}", forbidden.err);
    let count = seen.lock().unwrap().len();
    assert!(!devices(&base, &phone, &[]).ok, "without a token");
    assert!(!devices(&base, &["list", "bob"], &[("RINGBACK_STACK_ENV", "/nowhere")]).ok);
    assert_eq!(seen.lock().unwrap().len(), count);
}

/// Functions that cargo-lambda has deployed: no API, and a URL for each.
#[test]
fn a_call_is_played_over_the_functions_own_urls() {
    let answered = |_: &Request| (200, json!({ "result": "published" }));
    let (notify, rung) = seeing(answered);
    let (call_event, ended) = seeing(answered);
    let (aws, _) = seeing(move |request| {
        let url = |url: &str| {
            (
                200,
                json!({
                    "FunctionUrl": format!("{url}/"), "FunctionArn": "a", "AuthType": "NONE",
                    "CreationTime": "2026-11-01T00:00:00Z",
                }),
            )
        };
        match request.line.split(' ').nth(1).unwrap() {
            path if path.ends_with("/url?Qualifier=live") && path.contains("/mine-notify/") => url(&notify),
            path if path.ends_with("/url?Qualifier=live") => url(&call_event),
            path if path.contains("/mine-notify/") || path.contains("/mine-call-event/") => (200, json!({})),
            path if path.contains("/functions/") => {
                (404, json!({ "__type": "ResourceNotFoundException", "Type": "User", "Message": "none" }))
            }
            // No table is read here, so the call is found to be recorded otherwise.
            _ => (400, json!({ "__type": "ResourceNotFoundException", "message": "no table here" })),
        }
    });
    let (formation, _) = {
        let seen = Seen::default();
        let address = serve(|request| {
            let outputs = [
                ("RecordsTableName", "mine-records"),
                ("PushJobsTopicArn", "arn:aws:sns:eu-west-1:1:jobs"),
                ("SpoolQueueArn", "arn:aws:sqs:eu-west-1:1:spool"),
                ("DeadLetterQueueArn", "arn:aws:sqs:eu-west-1:1:dead"),
            ];
            let outputs = outputs.iter().fold(String::new(), |text, (name, value)| {
                format!(
                    "{text}<member><OutputKey>{name}</OutputKey><OutputValue>{value}</OutputValue></member>"
                )
            });
            let stack = format!(
                "<Stacks><member><StackName>mine</StackName><StackStatus>CREATE_COMPLETE</StackStatus>\
                 <CreationTime>2026-11-01T00:00:00Z</CreationTime><Outputs>{outputs}</Outputs></member></Stacks>"
            );
            let action = if request.body.contains("ListStackResources") {
                "ListStackResources"
            } else {
                "DescribeStacks"
            };
            let text =
                if action == "DescribeStacks" { stack } else { "<StackResourceSummaries/>".to_owned() };
            (200, format!("<{action}Response><{action}Result>{text}</{action}Result></{action}Response>"))
        });
        (address, seen)
    };
    let variables = [
        ("AWS_ENDPOINT_URL", aws.as_str()),
        ("AWS_ENDPOINT_URL_CLOUDFORMATION", &formation),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "key"),
        ("AWS_CONFIG_FILE", "/nowhere"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere"),
        ("RINGBACK_TOKEN", "se-cret"),
        ("SERVICE_ID", "planetkit"),
    ];
    let played = ringback(&["call", "answered", "--speed", "1000", "--stack", "mine"], &variables);
    assert!(played.err.contains("no table here"), "{} {}", played.out, played.err);
    assert!(!format!("{}{}", played.out, played.err).contains("se-cret"));
    let paths = |seen: &Seen| {
        let seen = seen.lock().unwrap();
        let path = |request: &Request| request.line.split(['?', ' ']).nth(1).unwrap().to_owned();
        seen.iter().map(path).collect::<Vec<_>>()
    };
    assert_eq!(paths(&rung), ["/se-cret/line/notify_cb"]);
    assert_eq!(paths(&ended), ["/se-cret/line/call_event"]);
}

/// An SSM with one parameter at most.
fn ssm() -> (String, Arc<Mutex<Option<Value>>>) {
    let kept: Arc<Mutex<Option<Value>>> = Arc::default();
    let shared = Arc::clone(&kept);
    let address = serve(move |request| {
        let asked: Value = serde_json::from_str(&request.body).unwrap();
        let mut kept = shared.lock().unwrap();
        let target = request.headers.iter().find(|(name, _)| name == "x-amz-target").unwrap().1.clone();
        let refused = |code: &str| (400, json!({ "__type": code, "message": code }).to_string());
        match target.as_str() {
            "AmazonSSM.PutParameter" if kept.is_some() && asked["Overwrite"] != true => {
                refused("ParameterAlreadyExists")
            }
            "AmazonSSM.PutParameter" => {
                *kept = Some(asked);
                (200, json!({ "Version": 1 }).to_string())
            }
            "AmazonSSM.GetParameters" => {
                let parameters: Vec<_> =
                    kept.iter().filter(|kept| kept["Name"] == asked["Names"][0]).collect();
                (200, json!({ "Parameters": parameters }).to_string())
            }
            _ => refused("UnknownOperation"),
        }
    });
    (address, kept)
}

/// Runs `keys` for a local stack whose SSM and phones are these.
fn keys(ssm: &str, phones: &Phones, arguments: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let authorities = folder.path().join("ca.pem");
    std::fs::write(&authorities, phones.ca()).unwrap();
    let file = stack_env(&format!(
        "AWS_ENDPOINT_URL_SSM={ssm}\nAPNS_KEY_PARAMETER=/ringback/local/apns\n\
         FCM_KEY_PARAMETER=/ringback/local/fcm\nAPNS_ENDPOINT_URL={url}\nFCM_ENDPOINT_URL={url}\n\
         PUSH_CA_BUNDLE={}",
        authorities.display(),
        url = phones.url(),
    ));
    let own = [("RINGBACK_STACK_ENV", file.path().to_str().unwrap())];
    ringback(&[&["keys"], arguments].concat(), &own)
}

fn secret_of(key: &str) -> String {
    let key: Value = serde_json::from_str(key).unwrap();
    key["private_key"].as_str().unwrap().to_owned()
}

#[test]
fn a_key_of_apple_is_stored_checked_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let phones = Phones::start(folder.path(), 0, 0).unwrap();
    let (ssm, kept) = ssm();
    let secret = secret_of(&phones.apns_key());
    let file = folder.path().join("AuthKey.p8");
    std::fs::write(&file, &secret).unwrap();
    let file = file.to_str().unwrap();
    let put = |key_id: &str, more: &[&str]| {
        let own = ["put", "apns", "--team", phones::TEAM, "--key-id", key_id, file];
        keys(&ssm, &phones, &[&own[..], more].concat())
    };
    let stored = put(phones::KEY, &[]);
    assert!(stored.ok && stored.out.contains("ApnsKeyParameter=/ringback/local/apns"), "{}", stored.err);
    let parameter = kept.lock().unwrap().clone().unwrap();
    assert_eq!(
        (&parameter["Type"], &parameter["Name"]),
        (&json!("SecureString"), &json!("/ringback/local/apns"))
    );
    let value: Value = serde_json::from_str(parameter["Value"].as_str().unwrap()).unwrap();
    assert_eq!(value, json!({ "team_id": phones::TEAM, "key_id": phones::KEY, "private_key": secret }));

    let check = |app: &[&str]| keys(&ssm, &phones, &[&["check", "--json"], app].concat());
    let finding = |ran: &Ran, check: &str| {
        let findings: Value = serde_json::from_str(&ran.out).unwrap();
        let findings = findings["findings"].as_array().unwrap().clone();
        findings.into_iter().find(|finding| finding["check"] == check).unwrap()
    };
    assert_eq!(finding(&check(&[]), "APNs key")["verdict"], "skipped");
    let app = ["--ios-app", "com.example.app"];
    let tried = check(&app);
    assert_eq!(finding(&tried, "APNs key")["verdict"], "ok", "{}", tried.out);
    // Only one of the two keys is there.
    assert_eq!(finding(&tried, "FCM key")["seen"], "/ringback/local/fcm: key_missing");

    let unsure = put("OTHERKEY00", &[]);
    assert!(!unsure.ok && unsure.err.contains("--yes '/ringback/local/apns'"), "{}", unsure.err);
    assert!(put("OTHERKEY00", &["--yes", "/ringback/local/apns"]).ok);
    let refused = finding(&check(&app), "APNs key");
    assert_eq!((&refused["verdict"], &refused["seen"]), (&json!("failed"), &json!("InvalidProviderToken")));
    assert!(refused["advice"].as_str().unwrap().contains("team id"), "{refused}");

    let line = secret.lines().nth(1).unwrap();
    for ran in [stored, tried, unsure] {
        assert!(!format!("{}{}", ran.out, ran.err).contains(line));
    }
}

#[test]
fn a_service_account_is_stored_and_tried_without_a_phone() {
    let folder = tempfile::tempdir().unwrap();
    let phones = Phones::start(folder.path(), 0, 0).unwrap();
    let (ssm, kept) = ssm();
    let file = folder.path().join("account.json");
    std::fs::write(&file, phones.fcm_key()).unwrap();
    let stored = keys(&ssm, &phones, &["put", "fcm", file.to_str().unwrap()]);
    assert!(stored.ok && stored.out.contains("FcmKeyParameter=/ringback/local/fcm"), "{}", stored.err);
    assert_eq!(kept.lock().unwrap().as_ref().unwrap()["Value"], phones.fcm_key());
    let tried = keys(&ssm, &phones, &["check"]);
    assert!(tried.out.contains("ok       FCM key"), "{} {}", tried.out, tried.err);
    let push = phones.pushes().pop().unwrap();
    assert_eq!(push["body"]["validate_only"], true, "{push}");
}

#[test]
fn a_key_of_another_kind_is_refused_before_it_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let phones = Phones::start(folder.path(), 0, 0).unwrap();
    let (ssm, kept) = ssm();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let apples = write("apple.p8", &secret_of(&phones.apns_key()));
    let googles = write("google.p8", &secret_of(&phones.fcm_key()));
    let nothing = write("nothing", "no key");
    let mut swapped: Value = serde_json::from_str(&phones.fcm_key()).unwrap();
    swapped["private_key"] = secret_of(&phones.apns_key()).into();
    let swapped = write("swapped.json", &swapped.to_string());
    let mut nameless: Value = serde_json::from_str(&phones.fcm_key()).unwrap();
    nameless.as_object_mut().unwrap().remove("project_id");
    let nameless = write("nameless.json", &nameless.to_string());
    let apns = |team: &str, file: &str| {
        keys(&ssm, &phones, &["put", "apns", "--team", team, "--key-id", phones::KEY, file])
    };
    let fcm = |file: &str| keys(&ssm, &phones, &["put", "fcm", file]);
    for (ran, said) in [
        (apns(phones::TEAM, &googles), "(key_not_of_its_kind): it should be Apple's .p8 file"),
        (apns(phones::TEAM, &nothing), "(key_malformed)"),
        (apns(phones::TEAM, "/nowhere.p8"), "No such file"),
        (apns("team", &apples), "ten capital letters and digits"),
        (fcm(&apples), "(key_malformed): it should be the JSON file of a service account"),
        (fcm(&swapped), "(key_not_of_its_kind)"),
        (fcm(&nameless), "(key_malformed)"),
    ] {
        assert!(!ran.ok && ran.err.contains(said), "{said}: {}", ran.err);
    }
    assert_eq!(*kept.lock().unwrap(), None);
}
