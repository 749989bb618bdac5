//! What is counted and listed wrongly, and set right again.

use ringback::aws::{Settings, budget, dynamodb::TableName};
use ringback::call::model::{Arrival, Moment};
use ringback::history::read::dynamodb::{DynamoDbCalls, Tables};
use ringback::history::read::{By, ReadCalls, Span, days};
use ringback::history::rebuild::{Rebuilder, Rebuilt};
use ringback::history::recount::{can_be_repaired, differences, repair};
use ringback::history::roll_up::roll_up;
use ringback::history::rows::Layout;
use ringback::history::tables::FiguresTable;
use ringback::lambda::settings::Environment;
use ringback_tests::calls::SHARDS;
use ringback_tests::stack::aws;

use super::*;

fn settings() -> Settings {
    Environment::new(|name| std::env::var(name).ok()).aws().unwrap()
}

fn table(name: &str) -> TableName {
    TableName::parse(name).unwrap()
}

fn reader(tables: &CallTables) -> DynamoDbCalls {
    let [records, views, figures] = [&tables.records, &tables.views, &tables.figures].map(|name| table(name));
    DynamoDbCalls::new(settings().dynamodb(budget::REPLAY).client, Tables { records, views, figures }, SHARDS)
}

fn figures(tables: &CallTables) -> FiguresTable {
    FiguresTable::new(settings().dynamodb(budget::REPLAY).client, table(&tables.figures))
}

fn done<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn arrival() -> Arrival {
    Arrival { milliseconds: now() }
}

/// The day that began so many days before today.
fn day(days_ago: u64) -> Span {
    let begin = now() / DAY * DAY - days_ago * DAY;
    let moment = |milliseconds| Moment::from_milliseconds(milliseconds).unwrap();
    Span { from: moment(begin), to: moment(begin + DAY) }
}

#[test]
fn a_recount_repairs_days_whose_hours_are_gone_and_services_that_had_no_figures_yet() {
    let tables = CallTables::create();
    // Calls from before there were figures.
    for days_ago in [2, 50] {
        let at = day(days_ago).from.milliseconds() + 3_600_000;
        put(&[tables.days_row(&call_row(&format!("{days_ago} days"), at, "missed"))]);
    }
    let (reader, figures) = (reader(&tables), figures(&tables));
    for days_ago in [2, 50] {
        let found = || done(differences(&reader, day(days_ago), arrival())).unwrap();
        let first = found();
        assert_eq!((first.len(), first[0].period.hour), (1, (days_ago == 2).then_some(1)));
        done(repair(&figures, &first[0])).unwrap();
        assert_eq!(found(), [], "{days_ago} days ago");
        let shown = done(reader.figures(day(days_ago), By::Day, arrival())).unwrap();
        assert_eq!((shown.len(), shown[0].1.calls), (1, 1));
    }
}

#[test]
fn figures_of_calls_that_are_kept_no_more_are_left_alone() {
    let tables = CallTables::create();
    let name = days::day_of(day(50).from);
    let (year, rest) = name.split_once('-').unwrap();
    put(&[
        tables.figures_item("services", "line#planetkit", &json!({})),
        tables.figures_item(&format!("line#planetkit#{year}"), &format!("d#{rest}"), &json!({ "calls": 7 })),
    ]);
    let found = done(differences(&reader(&tables), day(50), arrival())).unwrap();
    assert_eq!((found.len(), can_be_repaired(&found[0])), (1, false));
}

#[test]
fn a_rebuild_leaves_rows_of_a_call_that_it_cannot_read() {
    let (tables, now) = (CallTables::create(), now());
    let newer = json!({
        "sid": "newer", "record": "call", "provider": "line", "kind": "telepathy", "status": "ended",
        "facts": "", "received_at": now, "expires_at": NEVER,
    });
    put(&[tables.record(&newer), tables.days_row(&call_row("newer", now, "missed"))]);
    let layout = Layout { shards: SHARDS, ..Layout::default() };
    let client = settings().dynamodb(budget::REPLAY).client;
    let rebuilder = Rebuilder::new(client, table(&tables.records), table(&tables.views), layout);
    let rebuilt = done(rebuilder.all(arrival(), |_| {})).unwrap();
    assert_eq!((rebuilt.unreadable, rebuilt.deleted, rebuilt.put), (1, 0, 0));
}

#[test]
fn a_day_that_lost_its_last_call_to_a_correction_is_cleared() {
    let tables = CallTables::create();
    let name = days::day_of(day(1).from);
    let (year, rest) = name.split_once('-').unwrap();
    let hours = format!("line#-#{name}#0");
    // It was counted without a service, summed up, and then corrected.
    put(&[
        tables.figures_item("services", "line#-", &json!({})),
        tables.figures_item(&format!("line#-#{year}"), &format!("d#{rest}"), &json!({ "calls": 1 })),
        tables.figures_item(&hours, "h#23#shard", &json!({ "calls": 0, "outcome:open": 0 })),
    ]);
    let (reader, figures) = (reader(&tables), figures(&tables));
    let shown = || done(reader.figures(day(1), By::Day, arrival())).unwrap();
    assert_eq!(shown().len(), 1);
    done(roll_up(&reader, &figures, arrival())).unwrap();
    assert_eq!(shown(), []);
}

#[test]
fn a_rebuild_leaves_of_an_erased_call_what_project_would_have_left() {
    let (tables, now) = (CallTables::create(), now());
    let call = call_row("erased", now, "missed");
    put(&[
        tables.users_row(&user("bob"), &users_row("erased", now, true)),
        tables.days_row(&call),
        tables.rooms_row(["line", "planetkit", "lobby"], &call),
        tables.live_row(&call),
    ]);
    let layout = Layout { shards: SHARDS, ..Layout::default() };
    let rebuilder = Rebuilder::new(
        settings().dynamodb(budget::REPLAY).client,
        table(&tables.records),
        table(&tables.views),
        layout,
    );
    let rebuilt = || done(rebuilder.all(arrival(), |_| {})).unwrap();
    let first = rebuilt();
    assert_eq!((first.put, first.deleted), (1, 3));
    let scan = aws(
        "AWS_ENDPOINT_URL_DYNAMODB",
        "DynamoDB_20120810.Scan",
        "1.0",
        &json!({ "TableName": tables.views }),
    );
    let rows = scan["Items"].to_string();
    assert_eq!((scan["Count"].as_u64(), rows.contains("erased")), (Some(1), true), "{rows}");
    assert!(!rows.contains("alice") && !rows.contains("bob"), "{rows}");
    assert_eq!(rebuilt(), Rebuilt::default(), "it is done");
}
