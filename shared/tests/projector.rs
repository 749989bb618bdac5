//! Whole calls through the real handlers and the stream of their table into what readers see, whatever
//! way the stream is cut, repeated and interrupted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use fastrand::Rng;
use proptest::prelude::*;
use ringback::call::model::{Outcome, SessionId};
use ringback::door::callback::Callback;
use ringback::history::call::StoredCall;
use ringback::history::figures::Figures;
use ringback::history::key;
use ringback::history::news::{What, of_call};
use ringback::history::plan::{FIGURES_PARTS, Plan};
use ringback::history::projector::{Again, Projector};
use ringback::history::rebuild::expected_rows;
use ringback::history::row::{Direction, EndedBy, UserRow};
use ringback::history::rows::{Key, Layout, Row};
use ringback::lambda::handler::{Handler, Recorder};
use ringback::testing::projection::{Projection, Stream};
use ringback::testing::{ARRIVAL, DeadTopic, MemoryTable, Sample, block_on, recorder};
use ringback::text::message::is_attribute_value;
use ringback_cases::{Call, Step};
use serde_json::Value;

type Recorders<'a> = BTreeMap<String, Recorder<&'a MemoryTable, DeadTopic>>;

fn recorders(table: &MemoryTable) -> Recorders<'_> {
    let start = |callback: Callback| (callback.route.binary(), recorder(callback, table, DeadTopic));
    Callback::ALL.into_iter().map(start).collect()
}

/// Plays callbacks one by one, and notes what each changed in the table.
fn play<'a>(steps: impl IntoIterator<Item = &'a Step>, table: &MemoryTable, stream: &mut Stream) {
    let recorders = recorders(table);
    for step in steps {
        if let Some(recorder) = recorders.get(&step.function) {
            let sample = Sample { name: step.what.clone(), event: step.event.clone(), expected: Value::Null };
            block_on(recorder.handle(sample.request(), ARRIVAL));
            stream.look_at(table);
        }
    }
}

fn calls() -> Vec<Call> {
    ringback_cases::calls().unwrap()
}

fn projector(projection: &Projection) -> Projector<&Projection, &Projection, &Projection, &Projection> {
    Projector::new(projection, projection, projection, projection, Layout::default())
}

/// The rows without the time of expiry of a person's stays: it is that of any of their events.
fn rows(projection: &Projection) -> BTreeMap<Key, Row> {
    comparable(projection.rows.borrow().clone())
}

fn comparable(mut rows: BTreeMap<Key, Row>) -> BTreeMap<Key, Row> {
    for row in rows.values_mut() {
        if let Row::User(row) = row {
            row.expires_at = 0;
        }
    }
    rows
}

/// The stream in one go, with nothing failing.
fn clean(stream: &Stream) -> Projection {
    let projection = Projection::default();
    block_on(projector(&projection).project(&stream.batch(0..stream.records.len()))).unwrap();
    projection
}

/// What the calls in the lists of days add up to, by the partition of their counters and the hour.
fn counted_in_lists(projection: &Projection) -> BTreeMap<String, BTreeMap<String, i64>> {
    let mut hours: BTreeMap<String, Figures> = BTreeMap::new();
    for ((partition, _), row) in projection.rows.borrow().iter() {
        if let Row::Call(row) = row
            && partition.starts_with("day#")
        {
            let (period, figures) = Figures::of_row(row);
            let part = key::shard(&SessionId::parse(&row.sid).unwrap(), FIGURES_PARTS);
            let partition = key::hours(&period.provider, &period.service, &period.day, part);
            hours.entry(format!("{partition} {:02}", period.hour.unwrap())).or_default().add(&figures, 1);
        }
    }
    hours.into_iter().map(|(hour, figures)| (hour, figures.counters())).collect()
}

/// The rows of the users of a call, by user.
fn users(name: &str) -> BTreeMap<String, UserRow> {
    let calls = calls();
    let call = calls.iter().find(|call| call.name == name).unwrap_or_else(|| panic!("no call {name}"));
    let (table, mut stream) = (MemoryTable::default(), Stream::default());
    play(&call.steps, &table, &mut stream);
    let rows = clean(&stream).rows.take();
    let of_users = rows.into_iter().filter_map(|((partition, _), row)| match row {
        Row::User(row) => Some((partition.rsplit('#').next()?.to_owned(), row.with_talk())),
        Row::Call(_) => None,
    });
    of_users.collect()
}

fn seen(row: &UserRow) -> (Direction, Option<Outcome>, bool, Option<u64>, Option<EndedBy>) {
    (row.direction, row.outcome, row.missed, row.talk_s, row.ended_by)
}

#[test]
fn a_call_without_an_answer_is_missed_by_who_was_called() {
    let users = users("bob-does-not-answer");
    let (missed, me) = (Some(Outcome::Missed), Some(EndedBy::Me));
    assert_eq!(seen(&users["alice"]), (Direction::Out, missed, false, Some(0), me));
    assert_eq!(seen(&users["bob"]), (Direction::In, missed, true, Some(0), Some(EndedBy::Them)));
    assert_eq!(users["bob"].with[0].user_id.as_ref().unwrap().reveal(), "alice");
}

#[test]
fn a_canceled_call_is_missed_and_a_declined_one_is_not() {
    assert!(users("caller-cancels")["bob"].missed);
    assert!(!users("bob-declines")["bob"].missed);
}

#[test]
fn in_a_group_each_callee_has_an_outcome_of_their_own() {
    let users = users("current-group");
    let outcome = |user: &str| (users[user].outcome, users[user].missed);
    assert_eq!(outcome("bob"), (Some(Outcome::Answered), false));
    assert_eq!(outcome("carol"), (Some(Outcome::Rejected), false));
    assert_eq!(outcome("dave"), (Some(Outcome::Missed), true));
    assert_eq!(outcome("erin"), (Some(Outcome::Answered), false));
}

#[test]
fn people_of_a_room_talk_from_when_they_come_until_they_leave() {
    let users = users("stand-up");
    let talk = |user: &str| (users[user].direction, users[user].talk_s);
    assert_eq!(talk("alice"), (Direction::Joined, Some(899)));
    assert_eq!(talk("bob"), (Direction::Joined, Some(579)));
    assert_eq!(talk("carol"), (Direction::Joined, Some(667)));
}

#[test]
fn a_call_that_nobody_ends_is_live_and_an_ended_one_is_not() {
    let live = |name: &str, without_the_last: usize| {
        let calls = calls();
        let call = calls.iter().find(|call| call.name == name).unwrap();
        let (table, mut stream) = (MemoryTable::default(), Stream::default());
        play(call.steps.iter().rev().skip(without_the_last).rev(), &table, &mut stream);
        clean(&stream).rows.take().into_keys().any(|(partition, _)| partition.starts_with("live#"))
    };
    assert!(live("stand-up", 1));
    assert!(!live("stand-up", 0));
    assert!(!live("bob-answers", 0));
}

#[test]
fn a_call_that_was_erased_leaves_figures_and_a_nameless_row_that_was_counted() {
    let calls = calls();
    let (table, mut stream) = (MemoryTable::default(), Stream::default());
    for name in ["bob-answers", "stand-up", "current-group"] {
        play(&calls.iter().find(|call| call.name == name).unwrap().steps, &table, &mut stream);
    }
    let before = clean(&stream).figures();
    table.clear();
    stream.look_at(&table);
    let projection = clean(&stream);
    let rows = format!("{:?} {}", projection.rows.borrow().keys(), {
        let rows = projection.rows.borrow();
        serde_json::to_string(&rows.values().collect::<Vec<_>>()).unwrap()
    });
    for user in ["alice", "bob", "carol", "dave"] {
        assert!(!rows.contains(user), "{user} is left in {rows}");
    }
    assert_eq!(projection.figures(), before);
    assert_eq!(counted_in_lists(&projection), before);
}

#[test]
fn a_call_whose_key_is_throttled_waits_in_the_spool() {
    let calls = calls();
    let (table, mut stream) = (MemoryTable::default(), Stream::default());
    play(&calls.iter().find(|call| call.name == "bob-answers").unwrap().steps, &table, &mut stream);
    let projection = Projection::default();
    *projection.throttled.borrow_mut() = "user#".into();
    let done = block_on(projector(&projection).project(&stream.batch(0..stream.records.len()))).unwrap();
    assert_eq!(done.deferred, 1);
    let spooled = projection.spooled.borrow();
    let (session, suspects) = Again::read(&spooled[0]).unwrap();
    assert_eq!(table.call()["sid"], session.as_str());
    assert_eq!(suspects.keys.len(), 2, "alice's and bob's rows");
    assert_eq!(projection.figures(), counted_in_lists(&projection), "everything else is done");
}

/// The stream of a call without its last callbacks, which is erased then, and how many changes came before.
fn erased(name: &str, without_the_last: usize) -> (Stream, usize) {
    let calls = calls();
    let (table, mut stream) = (MemoryTable::default(), Stream::default());
    let steps = &calls.iter().find(|call| call.name == name).unwrap().steps;
    play(&steps[..steps.len() - without_the_last], &table, &mut stream);
    let played = stream.records.len();
    table.clear();
    stream.look_at(&table);
    (stream, played)
}

#[test]
fn of_an_erased_call_whose_key_is_throttled_a_nameless_row_waits() {
    let (stream, played) = erased("bob-answers", 0);
    let projection = Projection::default();
    block_on(projector(&projection).project(&stream.batch(0..played))).unwrap();
    *projection.throttled.borrow_mut() = "day#".into();
    block_on(projector(&projection).project(&stream.batch(played..stream.records.len()))).unwrap();
    let spooled = projection.spooled.borrow();
    let (_, suspects) = Again::read(&spooled[0]).unwrap();
    assert_eq!(suspects.nameless.len(), 1);
    assert!(!spooled[0].contains("alice") && !spooled[0].contains("bob"), "{}", spooled[0]);
}

#[test]
fn after_the_parts_became_more_an_erased_call_leaves_nobody_in_any_of_them() {
    // It goes on, so that it has a live row, too.
    let (stream, played) = erased("stand-up", 1);
    let projection = Projection::default();
    let projects = |shards, range| {
        let layout = Layout { shards, ..Layout::default() };
        let projector = Projector::new(&projection, &projection, &projection, &projection, layout);
        block_on(projector.project(&stream.batch(range))).unwrap();
    };
    projects(2, 0..played);
    projects(64, played..stream.records.len());
    let partitions: Vec<String> = projection.rows.borrow().keys().map(|(key, _)| key.clone()).collect();
    assert_eq!(partitions.len(), 1, "one nameless row: {partitions:?}");
    let rows = projection.rows.borrow();
    let Some(Row::Call(row)) = rows.values().next() else { panic!("no row of a day") };
    assert_eq!((&row.caller, &row.room), (&row.clone().without_people().caller, &None));
}

#[test]
fn a_live_call_is_not_heard_of_later_than_it_was_received_and_its_row_expires_soon() {
    let item = |received_at: u64, last_event_at: u64| -> StoredCall {
        serde_json::from_value(serde_json::json!({
            "provider": "tencent", "sid": "c", "kind": "group", "status": "ongoing",
            "received_at": received_at, "last_event_at": last_event_at, "setup_at": last_event_at,
            "expires_at": 9_999_999_999_u64,
        }))
        .unwrap()
    };
    let live = |call: &StoredCall| {
        let rows = ringback::history::rows::rows(call, &Layout::default());
        let row = rows.into_iter().find(|((partition, _), _)| partition.starts_with("live#"));
        let Some((_, Row::Call(row))) = row else { panic!("no live row") };
        (row.last_event_at.unwrap().milliseconds(), row.expires_at)
    };
    let (received, month) = (1_795_000_000_000, 30 * 86_400_000);
    let expires_at = received / 1_000 + 25 * 3_600;
    assert_eq!(live(&item(received, received + month)), (received, expires_at), "a clock that is ahead");
    assert_eq!(live(&item(received, received - 60_000)), (received - 60_000, expires_at));
}

#[test]
fn an_end_that_was_taken_back_is_told_again_under_another_id() {
    let call = |status: &str, outcome: Option<&str>, ended_at: Option<u64>| -> StoredCall {
        serde_json::from_value(serde_json::json!({
            "provider": "tencent", "sid": "c", "kind": "one-to-one", "status": status, "outcome": outcome,
            "setup_at": 1_795_000_000_000_u64, "ended_at": ended_at, "received_at": 1_795_000_000_000_u64,
            "expires_at": 9_999_999_999_u64, "caller": { "service_id": "1400000001", "user_id": "alice" },
        }))
        .unwrap()
    };
    // A tablet is busy, the phone answers, and the call ends at last.
    let ringing = call("ringing", None, None);
    let busy = call("ended", Some("busy"), Some(1_795_000_002_000));
    let answered = call("ongoing", None, None);
    let over = call("ended", Some("answered"), Some(1_795_000_060_000));
    let ends = |old: &StoredCall, new: &StoredCall| -> Vec<String> {
        let told = of_call(Some(old), new).into_iter();
        told.filter(|news| news.what == What::CallEnded).map(|news| news.id).collect()
    };
    let (first, second) = (ends(&ringing, &busy), ends(&answered, &over));
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first, second);
    assert_eq!(ends(&ringing, &busy), first, "a repeat has the same id");
    assert_eq!(ends(&busy, &over).len(), 1, "a corrected outcome");
    assert!(ends(&over, &over).is_empty());
    // The callback of the answer was lost.
    let told: Vec<What> = of_call(Some(&ringing), &over).into_iter().map(|news| news.what).collect();
    assert_eq!(told, [What::CallAnswered, What::CallEnded]);
}

#[test]
fn a_group_events_row_whose_deletion_is_throttled_waits_in_the_spool() {
    let vendor = serde_json::json!({ "svc_id": "planetkit", "id": "room", "setup_time": "1795000000" });
    let event = group_event("connected", 1_795_000_001_000, &vendor);
    let projection = Projection::default();
    *projection.throttled.borrow_mut() = "user#".into();
    let erased = [stream_record(1, Some(&event), None)];
    let done = block_on(projector(&projection).project(&Stream::part("shard", &erased))).unwrap();
    assert_eq!(done.deferred, 1);
    let (session, suspects) = Again::read(&projection.spooled.borrow()[0]).unwrap();
    assert_eq!((session.as_str(), suspects.keys.len()), ("a-room", 1));
}

#[test]
fn an_erased_call_leaves_the_list_of_a_user_who_has_no_list_any_more() {
    let (stream, played) = erased("bob-answers", 0);
    let projection = Projection::default();
    let projects = |unindexed: &[&str], range| {
        let unindexed = unindexed.iter().map(|user| (*user).to_owned()).collect();
        let layout = Layout { unindexed, ..Layout::default() };
        let projector = Projector::new(&projection, &projection, &projection, &projection, layout);
        block_on(projector.project(&stream.batch(range))).unwrap();
    };
    projects(&[], 0..played);
    projects(&["bob"], played..stream.records.len());
    assert!(projection.rows.borrow().keys().all(|(partition, _)| partition.starts_with("day#")));
}

/// The item of an event of a LINE group.
fn group_event(what: &str, at: u64, vendor: &Value) -> Value {
    serde_json::json!({
        "sid": "a-room", "record": format!("event#{at}#x"), "provider": "line",
        "callback": "group_call_event", "what": what, "who": { "user_id": "bob" }, "at": at, "vendor": vendor,
        "received_at": at, "expires_at": 9_999_999_999_u64,
    })
}

fn stream_record(number: usize, old: Option<&Value>, new: Option<&Value>) -> Value {
    let image = |item: &Value| -> serde_dynamo::Item { serde_dynamo::to_item(item).unwrap() };
    let mut change = serde_json::json!({ "SequenceNumber": number.to_string() });
    for (name, item) in [("OldImage", old), ("NewImage", new)] {
        if let Some(item) = item {
            change[name] = serde_json::json!(image(item));
        }
    }
    serde_json::json!({ "dynamodb": change })
}

#[test]
fn who_was_erased_and_comes_back_is_seen_from_then_on_only() {
    let vendor = serde_json::json!({ "svc_id": "planetkit", "id": "room", "setup_time": "1795000000" });
    let before = group_event("connected", 1_795_000_001_000, &vendor);
    let after = group_event("connected", 1_795_000_009_000, &vendor);
    let projection = Projection::default();
    let projects = |records: &[Value]| {
        block_on(projector(&projection).project(&Stream::part("shard", records))).unwrap();
        let rows = projection.rows.borrow();
        let came: Vec<u64> = rows
            .values()
            .flat_map(|row| match row {
                Row::User(row) => row.came.iter().copied().collect::<Vec<_>>(),
                Row::Call(_) => Vec::new(),
            })
            .collect();
        came
    };
    assert_eq!(projects(&[stream_record(1, None, Some(&before))]), [1_795_000_001_000]);
    let erased_and_back = [stream_record(2, Some(&before), None), stream_record(3, None, Some(&after))];
    assert_eq!(projects(&erased_and_back), [1_795_000_009_000]);
}

#[test]
fn no_message_has_an_attribute_that_sns_would_refuse() {
    for service in ["", "\u{1}", "\u{ffff}"] {
        let vendor = serde_json::json!({ "svc_id": service, "id": "room" });
        let records = [stream_record(1, None, Some(&group_event("connected", 1_795_000_001_000, &vendor)))];
        let plan = Plan::of(&Stream::part("shard", &records), &Layout::default());
        assert_eq!(plan.news.len(), 1);
        for (name, value) in &plan.news[0].attributes {
            assert!(is_attribute_value(value), "{name}: {value:?}");
        }
    }
}

#[test]
fn a_row_names_a_bounded_number_of_people() {
    let people: Vec<Value> =
        (0..200).map(|number| serde_json::json!({ "user_id": format!("u{number}") })).collect();
    let call = serde_json::json!({
        "provider": "tencent", "sid": "crowd", "kind": "group", "status": "ongoing", "media": "audio",
        "callees": people, "setup_at": 1_795_000_000_000_u64, "received_at": 1_795_000_000_000_u64,
        "expires_at": 9_999_999_999_u64,
    });
    let call = serde_json::from_value(call).unwrap();
    for row in ringback::history::rows::rows(&call, &Layout::default()).into_values() {
        let Row::Call(row) = row else { continue };
        assert!(row.callees.len() <= 32);
    }
}

#[test]
fn a_change_that_cannot_be_read_does_not_stop_the_others() {
    let calls = calls();
    let (table, mut stream) = (MemoryTable::default(), Stream::default());
    play(&calls.iter().find(|call| call.name == "bob-answers").unwrap().steps, &table, &mut stream);
    stream.records.insert(0, serde_json::json!({ "dynamodb": { "SequenceNumber": "1", "NewImage": 3 } }));
    let projection = Projection::default();
    let batch = stream.batch(0..stream.records.len());
    let done = block_on(projector(&projection).project(&batch)).unwrap();
    assert_eq!(done.unreadable, 1);
    assert!(done.rows > 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn however_the_stream_is_cut_repeated_and_interrupted_readers_see_one_clean_pass(seed: u64) {
        let mut random = Rng::with_seed(seed);
        let calls = calls();
        let picked: Vec<&Call> = (0..5).map(|_| &calls[random.usize(..calls.len())]).collect();
        let mut steps: Vec<&Step> = picked.iter().flat_map(|call| &call.steps).collect();
        if random.bool() {
            random.shuffle(&mut steps);
        }
        let (table, mut stream) = (MemoryTable::default(), Stream::default());
        play(steps, &table, &mut stream);
        let expected = clean(&stream);

        let projection = Projection::default();
        projection.failing.set(random.u32(..30));
        let shards = stream.shards();
        let mut done = [0, 0];
        for _ in 0..20_000 {
            let open: Vec<usize> = (0..2).filter(|shard| done[*shard] < shards[*shard].len()).collect();
            let Some(shard) = random.choice(open) else { break };
            // A function is killed and another one begins again, now and then from before.
            let from = if random.u8(..4) == 0 { random.usize(..=done[shard]) } else { done[shard] };
            let to = random.usize(from + 1..=shards[shard].len());
            let batch = Stream::part(["shard-0", "shard-1"][shard], &shards[shard][from..to]);
            // What failed comes again before anything else of its shard.
            let is_done = block_on(projector(&projection).project(&batch)).is_ok();
            done[shard] = if is_done { to } else { from };
            if random.u8(..10) == 0 {
                projection.failing.set(random.u32(..30));
            }
        }
        prop_assert_eq!(done, [shards[0].len(), shards[1].len()]);
        prop_assert_eq!(rows(&projection), rows(&expected));
        prop_assert_eq!(projection.figures(), expected.figures());
        prop_assert_eq!(&*projection.told.borrow(), &*expected.told.borrow());
        prop_assert_eq!(counted_in_lists(&projection), projection.figures());

        // Made again from the records, the rows are the same.
        let items: Vec<_> = table.items().into_values().map(|item| item.into_attributes()).collect();
        let (rebuilt, unreadable) = expected_rows(&items, &Layout::default());
        prop_assert_eq!(unreadable, 0);
        prop_assert_eq!(comparable(rebuilt), rows(&expected));
    }
}
