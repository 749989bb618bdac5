//! Lists as CSV (RFC 4180), for a spreadsheet. Times are RFC 3339 in UTC. A cell of text that a spreadsheet
//! would run as a formula begins with an apostrophe.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::call::model::{Moment, Person, ReleaseCode, Room};
use crate::history::figures::{Figures, Period};
use crate::history::read::days;
use crate::history::read::live::LiveCall;
use crate::history::row::{CallRow, UserRow};
use crate::lambda::history::shown::{Reader, ShownFigures, shown_reason};

/// What makes a spreadsheet run a cell, or is skipped before it.
const RUNS: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];
/// What begins a cell. Where a comma is in numbers, spreadsheets split lines at semicolons, quoted or not.
const SPLITS: [char; 3] = [',', ';', '\t'];

/// Text that a spreadsheet shows and does not run: an apostrophe is before each place where it would.
pub fn defused(text: &str) -> Cow<'_, str> {
    if !text.starts_with(RUNS) && !text.contains(SPLITS) {
        return Cow::Borrowed(text);
    }
    let (mut safe, mut begins) = (String::with_capacity(text.len() + 1), true);
    for character in text.chars() {
        if begins && RUNS.contains(&character) {
            safe.push('\'');
        }
        safe.push(character);
        begins = SPLITS.contains(&character);
    }
    Cow::Owned(safe)
}

/// Calls of the operator's lists.
pub fn calls(rows: &[CallRow]) -> String {
    table(&CALL_COLUMNS, rows.iter().map(call_cells))
}

/// Live calls.
pub fn live(rows: &[LiveCall]) -> String {
    let columns: Vec<&str> = CALL_COLUMNS.into_iter().chain(["online", "quiet_s", "stale"]).collect();
    let cells = |live: &LiveCall| {
        let quiet = [optional(live.call.online), live.quiet_s.to_string(), live.stale.to_string()];
        call_cells(&live.call).into_iter().chain(quiet).collect()
    };
    table(&columns, rows.iter().map(cells))
}

/// A user's calls.
pub fn users_calls(rows: &[UserRow], reader: Reader) -> String {
    let columns = [
        "at",
        "sid",
        "provider",
        "direction",
        "kind",
        "missed",
        "status",
        "outcome",
        "media",
        "with",
        "room_service",
        "room",
        "started_at",
        "ended_at",
        "ring_s",
        "talk_s",
        "ended_by",
        "reason",
    ];
    let cells = |row: &UserRow| {
        let [room_service, room] = room(row.room.as_ref());
        let reason = shown_reason(&row.reason, reader);
        vec![
            time(Some(row.at)),
            text(&row.sid),
            text(&row.provider),
            word(row.direction),
            word(row.kind),
            row.missed.to_string(),
            word(row.status),
            word(row.outcome),
            word(row.media),
            people(&row.with),
            room_service,
            room,
            time(row.started_at),
            time(row.ended_at),
            optional(row.ring_s),
            optional(row.talk_s),
            word(row.ended_by),
            codes(reason),
        ]
    };
    table(&columns, rows.iter().map(cells))
}

/// Callbacks of a call.
pub fn events(items: &[Map<String, Value>]) -> String {
    let columns = ["at", "callback", "what", "who_service", "who", "received_at", "vendor"];
    let cells = |item: &Map<String, Value>| {
        let moment = |name: &str| item.get(name)?.as_u64().and_then(Moment::from_milliseconds);
        let of_text = |value: Option<&Value>| text(value.and_then(Value::as_str).unwrap_or_default());
        let who = |name: &str| of_text(item.get("who").and_then(|who| who.get(name)));
        vec![
            time(moment("at")),
            of_text(item.get("callback")),
            of_text(item.get("what")),
            who("service_id"),
            who("user_id"),
            time(moment("received_at")),
            item.get("vendor").map(|vendor| text(&vendor.to_string())).unwrap_or_default(),
        ]
    };
    table(&columns, items.iter().map(cells))
}

/// Figures of hours or days.
pub fn figures(figures: &[(Period, Figures)]) -> String {
    let columns =
        ["day", "hour", "provider", "service", "calls", "answer_rate", "talk_minutes", "outcomes", "reasons"];
    let cells = |(period, figures): &(Period, Figures)| {
        let shown = ShownFigures::new(period, figures);
        vec![
            period.day.clone(),
            optional(period.hour),
            text(&period.provider),
            text(&period.service),
            shown.calls.to_string(),
            optional(shown.answer_rate),
            shown.talk_minutes.to_string(),
            counters(&figures.outcomes),
            counters(&figures.reasons),
        ]
    };
    table(&columns, figures.iter().map(cells))
}

const CALL_COLUMNS: [&str; 20] = [
    "at",
    "sid",
    "provider",
    "kind",
    "status",
    "outcome",
    "media",
    "caller_service",
    "caller",
    "callee_service",
    "callees",
    "room_service",
    "room",
    "started_at",
    "ended_at",
    "last_event_at",
    "ring_s",
    "talk_s",
    "released_by",
    "reason",
];

fn call_cells(row: &CallRow) -> Vec<String> {
    let service = |person: Option<&Person>| {
        text(person.and_then(|person| person.service_id.as_deref()).unwrap_or_default())
    };
    let [room_service, room] = room(row.room.as_ref());
    vec![
        time(Some(row.at)),
        text(&row.sid),
        text(&row.provider),
        word(row.kind),
        word(row.status),
        word(row.outcome),
        word(row.media),
        service(row.caller.as_ref()),
        people(row.caller.as_slice()),
        service(row.callees.first()),
        people(&row.callees),
        room_service,
        room,
        time(row.started_at),
        time(row.ended_at),
        time(row.last_event_at),
        optional(row.ring_s),
        optional(row.talk_s),
        word(row.released_by),
        codes(row.reason.iter()),
    ]
}

fn table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    // Writing to memory cannot fail, and every row has a cell for each column.
    let _ = writer.write_record(columns);
    for row in rows {
        let _ = writer.write_record(row);
    }
    writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

fn text(text: &str) -> String {
    defused(text).into_owned()
}

/// User ids, with a space between them. Only the first one is where a spreadsheet looks for a formula.
fn people(people: &[Person]) -> String {
    let ids: Vec<&str> = people.iter().filter_map(|person| Some(person.user_id.as_ref()?.reveal())).collect();
    text(&ids.join(" "))
}

fn room(room: Option<&Room>) -> [String; 2] {
    let service = room.and_then(|room| room.service_id.as_deref());
    let id = room.and_then(|room| room.id.as_ref()).map(|id| id.reveal());
    [text(service.unwrap_or_default()), text(id.unwrap_or_default())]
}

/// A word of ours, or nothing.
fn word(word: impl Serialize) -> String {
    serde_json::to_value(word).ok().as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn optional(number: Option<impl ToString>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

fn codes<'a>(reason: impl Iterator<Item = (&'a String, &'a ReleaseCode)>) -> String {
    let code = |code: &ReleaseCode| match code {
        ReleaseCode::Number(number) => number.to_string(),
        ReleaseCode::Word(word) => word.reveal().to_owned(),
    };
    let codes: Vec<String> = reason.map(|(family, named)| format!("{family}:{}", code(named))).collect();
    text(&codes.join(" "))
}

fn counters(counters: &BTreeMap<String, i64>) -> String {
    let counted: Vec<String> = counters.iter().map(|(word, count)| format!("{word}={count}")).collect();
    text(&counted.join(" "))
}

fn time(moment: Option<Moment>) -> String {
    moment.and_then(days::rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_one_that_a_spreadsheet_reads() {
        assert_eq!(time(Moment::from_milliseconds(1_793_600_000_123)), "2026-11-02T06:13:20.123Z");
        assert_eq!(time(None), "");
    }

    proptest! {
        #[test]
        fn no_text_is_run_and_all_of_it_comes_back(id in "[=+@\\-\t\r\n'\",; a-z0-9é]{0,12}") {
            let written = table(&["id", "other"], [vec![text(&id), String::new()]].into_iter());
            let mut reader = csv::Reader::from_reader(written.as_bytes());
            let row = reader.records().next().unwrap().unwrap();
            let cell = &row[0];
            prop_assert!(cell.split(SPLITS).all(|part| !part.starts_with(RUNS)), "{:?}", cell);
            let without = |text: &str| text.replace('\'', "");
            prop_assert_eq!(without(cell), without(&id));
        }
    }
}
