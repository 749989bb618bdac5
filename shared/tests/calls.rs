//! Whole calls through the real handlers, with the table in memory: in the order in which their
//! tables tell them, and, where the order must not matter, in many orders, with repeats, in two
//! environments.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use fastrand::Rng;
use ringback::call::CallEnd;
use ringback::door::callback::Callback;
use ringback::lambda::handler::{Handler, Notifier, Recorder};
use ringback::lambda::http::status;
use ringback::line;
use ringback::testing::{ARRIVAL, DeadTopic, MemoryTable, MemoryTopic, Sample};
use ringback::testing::{block_on, counted_end, differences, environment, item_bytes, recorder};
use ringback_cases::{Call, Step};
use serde_json::Value;

/// The functions that keep records, each in one execution environment.
type Recorders<'a> = BTreeMap<String, Recorder<&'a MemoryTable, DeadTopic>>;

fn recorders(table: &MemoryTable) -> Recorders<'_> {
    let start = |callback: Callback| (callback.route.binary(), recorder(callback, table, DeadTopic));
    Callback::ALL.into_iter().map(start).collect()
}

/// Plays each step in one of the environments. Returns the statuses of the answers and the ends
/// that were counted.
fn play(steps: &[&Step], environments: &[Recorders<'_>], random: &mut Rng) -> (Vec<u16>, Vec<CallEnd>) {
    let (mut statuses, mut ends) = (Vec::new(), Vec::new());
    for step in steps {
        let sample = Sample { name: step.what.clone(), event: step.event.clone(), expected: Value::Null };
        let details = match random.choice(environments).unwrap().get(&step.function) {
            Some(recorder) => block_on(recorder.handle(sample.request(), ARRIVAL)),
            None => {
                let topic = MemoryTopic::default();
                let notifier = Notifier::new(environment().gate(&line::NOTIFY).unwrap(), &topic);
                block_on(notifier.handle(sample.request(), ARRIVAL))
            }
        };
        statuses.push(status(&details.outcome));
        ends.extend(details.ended);
    }
    (statuses, ends)
}

fn wrong(call: &Call) -> Vec<String> {
    let table = MemoryTable::default();
    let steps: Vec<&Step> = call.steps.iter().collect();
    let (statuses, _) = play(&steps, &[recorders(&table)], &mut Rng::with_seed(7));
    let answers = steps.iter().zip(statuses).filter(|(step, status)| step.status != *status);
    let mut wrong: Vec<String> = answers
        .map(|(step, status)| {
            format!("{}: {}: expected {}, answered {status}", call.name, step.what, step.status)
        })
        .collect();
    match (call.call.is_null(), table.calls().as_slice()) {
        (true, []) => {}
        (false, [item]) => wrong.extend(differences(&call.call, item, &call.name)),
        (_, items) => wrong.push(format!("{}: {} call items", call.name, items.len())),
    }
    wrong
}

#[test]
fn every_call_ends_as_its_table_says() {
    let wrong: Vec<String> = ringback_cases::calls().unwrap().iter().flat_map(wrong).collect();
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// The order that ends differently, if there is one.
fn differs_in_another_order(call: &Call, random: &mut Rng) -> Option<String> {
    let mut steps: Vec<&Step> = call.steps.iter().filter(|step| step.function != "notify").collect();
    assert!(steps.len() > 1, "{} has one order only", call.name);
    let told = MemoryTable::default();
    play(&steps, &[recorders(&told)], random);
    (0..100).find_map(|_| {
        random.shuffle(&mut steps);
        let again = random.choice(&steps).copied();
        let repeated: Vec<&Step> = steps.iter().copied().chain(again).collect();
        let table = MemoryTable::default();
        let (_, ends) = play(&repeated, &[recorders(&table), recorders(&table)], random);
        let counted = call.counted_early || ends == counted_end(&table.call());
        let order: Vec<&str> = repeated.iter().map(|step| step.what.as_str()).collect();
        let same = table.items() == told.items() && counted;
        (!same).then(|| format!("{}: {order:?}, counted as {ends:?}: {:?}", call.name, table.call()))
    })
}

#[test]
fn a_call_ends_in_the_same_state_and_is_counted_once_whatever_the_order_of_its_callbacks() {
    let mut random = Rng::with_seed(7);
    let calls = ringback_cases::calls().unwrap();
    let ordered = calls.iter().filter(|call| call.any_order);
    let wrong: Vec<String> = ordered.filter_map(|call| differs_in_another_order(call, &mut random)).collect();
    assert!(wrong.is_empty(), "{} calls end differently:\n{}", wrong.len(), wrong.join("\n"));
}

/// DynamoDB charges a write for each started kilobyte.
#[test]
fn the_item_of_a_one_to_one_call_costs_one_write_unit() {
    for call in ringback_cases::calls().unwrap() {
        let table = MemoryTable::default();
        play(&call.steps.iter().collect::<Vec<_>>(), &[recorders(&table)], &mut Rng::with_seed(7));
        let one_to_one = table.calls().into_iter().filter(|item| item["kind"] == "one-to-one");
        for item in one_to_one {
            assert!(item_bytes(&item) <= 1_024, "{}: {} bytes", call.name, item_bytes(&item));
        }
    }
}
