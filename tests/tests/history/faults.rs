//! What is asked of DynamoDB, what happens without it, and what is printed.

use ringback::aws::{budget, dynamodb::TableName};
use ringback::history::figures::Figures;
use ringback::history::tables::FiguresTable;
use ringback::lambda::settings::Environment;
use ringback_tests::fault_proxy::{Fault, FaultProxy, Service};
use ringback_tests::stack::{address_of, aws, said, variable};

use super::*;

/// The variables of a function that finds DynamoDB elsewhere.
fn variables_at(tables: &CallTables, dynamodb: &str) -> Vec<(&'static str, String)> {
    let mut variables = tables.variables();
    variables.retain(|(name, _)| *name != "AWS_ENDPOINT_URL_DYNAMODB");
    variables.push(("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.to_owned()));
    variables
}

#[test]
fn while_dynamodb_is_down_or_throttles_the_reader_is_told_when_to_try_again() {
    let tables = CallTables::create();
    let proxy = FaultProxy::start(Service::DynamoDb, address_of(&variable("AWS_ENDPOINT_URL_DYNAMODB")));
    let variables = variables_at(&tables, &proxy.url());
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let function = Function::start("history", &variables);
    for fault in [Fault::Refuses, Fault::Throttles, Fault::Answers500, Fault::None] {
        proxy.set(fault);
        let answer = answer(&function, "GET", "/calls", &app_server());
        let expected = if fault == Fault::None { (200, Value::Null) } else { (503, json!("2")) };
        assert_eq!(
            (&answer["statusCode"], &answer["headers"]["retry-after"]),
            (&json!(expected.0), &expected.1)
        );
    }
}

#[test]
fn a_page_is_one_query_for_each_partition_however_long_the_list_is() {
    let (tables, now) = (CallTables::create(), now());
    let proxy = FaultProxy::start(Service::DynamoDb, address_of(&variable("AWS_ENDPOINT_URL_DYNAMODB")));
    let variables = variables_at(&tables, &proxy.url());
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let function = Function::start("history", &variables);
    let midnight = now / DAY * DAY;
    let today = format!("/calls?from={}&to={}", midnight - 1_000_000, midnight);
    for length in [3, 300] {
        let rows = (0..length).flat_map(|number| {
            let (sid, at) = (format!("c{number}"), midnight - 1 - number);
            let call = call_row(&sid, at, "missed");
            [
                tables.users_row(&user("bob"), &users_row(&sid, at, number % 10 == 0)),
                tables.days_row(&call),
                tables.rooms_row(["line", "planetkit", "lobby"], &call),
            ]
        });
        put(&rows.collect::<Vec<_>>());
        let token = token_of(&json!("bob"));
        for (address, authorizer, queries) in [
            ("/me/calls?limit=100", &token, 1),
            ("/me/calls?missed=true", &token, 1),
            ("/me/missed", &token, 1),
            ("/rooms/planetkit/lobby/calls", &app_server(), 1),
            (today.as_str(), &app_server(), 4),
            (&format!("{today}&outcome=missed"), &app_server(), 4),
        ] {
            proxy.overhear();
            assert_eq!(ask(&function, address, authorizer).0, 200);
            let requests = proxy.overheard();
            let of = |operation: &str| requests.iter().filter(|request| request.contains(operation)).count();
            let asked = (of("DynamoDB_20120810.Query"), of("DynamoDB_20120810."));
            assert_eq!(asked, (queries, queries), "{address} of {length} calls");
        }
    }
}

#[test]
fn nothing_about_a_user_a_room_or_a_call_is_printed() {
    let (tables, now) = (CallTables::create(), now());
    let planted = |sid: &str| format!("planted-{sid}");
    put(&[
        tables.users_row(&user("planted-user"), &users_row(&planted("users-call"), now, true)),
        tables.days_row(&call_row(&planted("call"), now - 1, "missed")),
        // It cannot be read.
        tables.live_row(
            &json!({ "provider": "line", "sid": "planted-live", "kind": "?", "expires_at": NEVER }),
        ),
    ]);
    let asked = [
        ("/calls?service=planted-service&cursor=1793600000000cGxhbnRlZA", app_server()),
        ("/calls/planted-sid", app_server()),
        ("/calls/planted-sid/events", app_server()),
        ("/users/planted-service/planted-user/calls?planted=planted", app_server()),
        ("/users/planetkit/planted-user/calls?limit=planted", app_server()),
        ("/rooms/planetkit/planted-room/calls", app_server()),
        ("/rooms/live", app_server()),
        ("/me/calls", token_of(&json!("planted-user"))),
        ("/planted/planted", token_of(&json!("planted-user"))),
    ];
    let events: Vec<String> =
        asked.iter().map(|(address, authorizer)| event("GET", address, authorizer).to_string()).collect();
    let real = variable("AWS_ENDPOINT_URL_DYNAMODB");
    for (endpoint, outcome) in [(real.as_str(), "found"), ("http://127.0.0.1:9", "calls_unavailable")] {
        let mut variables = variables_at(&tables, endpoint);
        variables.push(("AWS_LAMBDA_LOG_LEVEL", "TRACE".to_owned()));
        let said = said("history", &variables, &events);
        assert_eq!(said.matches(r#""message":"history""#).count(), events.len(), "{said}");
        assert!(said.contains(&format!(r#""outcome":"{outcome}""#)), "{said}");
        assert!(!said.contains("planted") && !said.contains("cGxhbnRlZA"), "{said}");
    }
}

#[test]
fn a_correction_of_figures_whose_answers_are_lost_is_added_once() {
    let tables = CallTables::create();
    let proxy = FaultProxy::start(Service::DynamoDb, address_of(&variable("AWS_ENDPOINT_URL_DYNAMODB")));
    proxy.set_for(Fault::ResetsInMidAnswer, "UpdateItem");
    let endpoint = proxy.url();
    let environment = Environment::new(move |name| match name {
        "AWS_ENDPOINT_URL_DYNAMODB" => Some(endpoint.clone()),
        name => std::env::var(name).ok(),
    });
    let client = environment.aws().unwrap().dynamodb(budget::REPLAY).client;
    let figures = FiguresTable::new(client, TableName::parse(&tables.figures).unwrap());
    let counter = ("line#planetkit#2026-11-28#0".to_owned(), "h#06#recount".to_owned());
    let missing = Figures { calls: 1, ..Figures::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Whether it is known to be done or not, it is done once.
    let _ = runtime.block_on(figures.correct(&counter, &missing, 9_999_999_999));
    assert!(proxy.struck() > 1, "there was no second attempt");
    let key = json!({ "pk": { "S": counter.0 }, "sk": { "S": counter.1 } });
    let get = json!({ "TableName": tables.figures, "Key": key, "ConsistentRead": true });
    let item = aws("AWS_ENDPOINT_URL_DYNAMODB", "DynamoDB_20120810.GetItem", "1.0", &get);
    assert_eq!(item["Item"]["calls"]["N"], "1");
}
