//! What the functions must keep to, and whether they did in this run.

use crate::catalogue::Kind;
use crate::measure::Figures;
use crate::results::Results;

const COLD_AGAINST_FLOOR: f64 = 3.0;
/// How many times as long the others may take to start, at least.
const COLD_AGAINST: [(Kind, &str, f64); 3] =
    [(Kind::Stock, "the stock build", 15.0), (Kind::Node, "Node", 60.0), (Kind::Python, "Python", 60.0)];
const COMPARED: &str = "call-event";
const CPU_WITH_ONE_REQUEST: f64 = 4.0;
const CPU_WITH_TWO_REQUESTS: f64 = 6.0;
const MEMORY_AGAINST_FLOOR: f64 = 2.0;
const MEMORY_MORE_BYTES: f64 = 4.0 * MEGABYTE;
const ZIP_BYTES: f64 = 2.5 * MEGABYTE;
/// A callback of a longer call may carry a longer number, and an item may just reach the next capacity unit for it.
const DIFFERENCE: f64 = 0.01;
const RECORDS_A_SECOND: f64 = 1000.0;
const MEGABYTE: f64 = 1e6;

/// A bar and how it was met.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What is limited.
    pub what: String,
    /// The limit.
    pub limit: String,
    /// What was measured.
    pub measured: String,
    /// By how much the limit was missed, as a part of it; `None` when it was held.
    pub missed_by: Option<f64>,
}

impl Bar {
    fn at_most(what: String, limit: f64, measured: f64, in_words: impl Fn(f64) -> String) -> Self {
        let missed_by = (measured.is_nan() || measured > limit).then(|| measured / limit - 1.0);
        Self { what, limit: format!("≤ {}", in_words(limit)), measured: in_words(measured), missed_by }
    }

    fn at_least(what: String, limit: f64, measured: f64, in_words: impl Fn(f64) -> String) -> Self {
        let missed_by = (measured.is_nan() || measured < limit).then(|| 1.0 - measured / limit);
        Self { what, limit: format!("≥ {}", in_words(limit)), measured: in_words(measured), missed_by }
    }
}

/// Every bar that the run has figures for.
pub fn bars(results: &Results) -> Vec<Bar> {
    let mut bars = Vec::new();
    if let Some(floor) = results.of_kind(Kind::Floor) {
        results.functions().for_each(|function| bars.push(cold(function, floor)));
        let compared = results.functions().find(|function| function.name == COMPARED);
        if let Some(compared) = compared {
            bars.extend(COLD_AGAINST.iter().filter_map(|(kind, name, times)| {
                let other = results.of_kind(*kind)?;
                Some(cold_against(&format!("{name}, a whole core"), compared.cold.p50, other.cold.p50, *times))
            }));
            bars.extend(COLD_AGAINST.iter().filter_map(|(kind, name, times)| {
                let other = results.held_cold(&results.of_kind(*kind)?.name)?;
                Some(cold_against(&format!("{name}, 7 % of one"), results.held_cold(COMPARED)?, other, *times))
            }));
        }
        results.functions().for_each(|function| bars.push(warm_cpu(function, floor)));
        results.functions().for_each(|function| bars.push(memory(function, floor)));
        results.functions().for_each(|function| bars.push(zip(function)));
    }
    if let Some(growth) = &results.growth {
        let what = "requests and capacity a callback, from 10 to 10,000 events in one call".to_owned();
        bars.push(Bar::at_most(what, DIFFERENCE, growth.largest_difference(), |part| {
            format!("{:.1} % apart", part * 100.0)
        }));
    }
    if let Some(replay) = &results.replay {
        let what = "replay, records a second".to_owned();
        bars.push(Bar::at_least(what, RECORDS_A_SECOND, replay.records_a_second, |records| format!("{records:.0}")));
        let lost = (replay.lost + replay.given_back) as f64;
        bars.push(Bar::at_most("replay, records lost".to_owned(), 0.0, lost, |records| format!("{records:.0}")));
    }
    bars
}

fn cold(function: &Figures, floor: &Figures) -> Bar {
    let ratio = function.cold.p50 / floor.cold.p50;
    Bar::at_most(format!("cold start, {}", function.name), COLD_AGAINST_FLOOR, ratio, times_the_floor)
}

fn cold_against(name: &str, ours: f64, other: f64, times: f64) -> Bar {
    let ratio = other / ours;
    let in_words = |times: f64| format!("1/{times:.1}");
    // Said as the bar is said: a fraction of the other's, which is missed by so much of that fraction.
    let missed_by = (ratio.is_nan() || ratio < times).then(|| times / ratio - 1.0);
    let what = format!("cold start, {COMPARED} against {name}");
    Bar { what, limit: format!("≤ 1/{times:.0}"), measured: in_words(ratio), missed_by }
}

fn warm_cpu(function: &Figures, floor: &Figures) -> Bar {
    let limit = if function.requests > 1 { CPU_WITH_TWO_REQUESTS } else { CPU_WITH_ONE_REQUEST };
    let what = format!("CPU of a warm callback, {}", function.name);
    Bar::at_most(what, limit, function.warm_cpu / floor.warm_cpu, times_the_floor)
}

fn memory(function: &Figures, floor: &Figures) -> Bar {
    let limit = MEMORY_AGAINST_FLOOR * floor.resident_bytes as f64 + MEMORY_MORE_BYTES;
    let what = format!("memory, {}", function.name);
    Bar::at_most(what, limit, function.resident_bytes as f64, megabytes)
}

fn zip(function: &Figures) -> Bar {
    Bar::at_most(format!("zip, {}", function.name), ZIP_BYTES, function.zip_bytes as f64, megabytes)
}

fn times_the_floor(ratio: f64) -> String {
    format!("{ratio:.2} × floor")
}

fn megabytes(bytes: f64) -> String {
    format!("{:.2} MB", bytes / MEGABYTE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::{CallRow, Figures as Grown, Growth};
    use crate::measure::Held;
    use crate::replay::Replay;
    use crate::results::example;

    fn bar<'a>(bars: &'a [Bar], what: &str) -> &'a Bar {
        bars.iter().find(|bar| bar.what == what).unwrap_or_else(|| panic!("no bar {what}"))
    }

    #[test]
    fn a_bar_that_is_kept_to_is_held_and_one_that_is_not_is_missed_by_so_much() {
        let mut results = example();
        results.figures[2].cold.p50 = 15.0;
        let bars = bars(&results);
        let held = bar(&bars, "cold start, notify");
        assert_eq!((held.measured.as_str(), held.missed_by), ("2.50 × floor", None));
        let missed = bar(&bars, "cold start, call-event");
        assert_eq!((missed.measured.as_str(), missed.missed_by), ("3.75 × floor", Some(0.25)));
        // 10.67 times as fast, where 15 times is asked for.
        let against_stock = bar(&bars, "cold start, call-event against the stock build, a whole core");
        assert_eq!(against_stock.measured, "1/10.7");
        assert!(against_stock.missed_by.is_some_and(|part| (part - 0.406).abs() < 0.001));
    }

    #[test]
    fn what_is_held_to_a_share_of_a_core_is_compared_with_others_that_are() {
        let mut results = example();
        let Held::Measured(all) = &mut results.held else { panic!("nothing was held") };
        let mut held = all[0].clone();
        for name in ["call-event", "stock"] {
            all.retain(|held| held.name != name);
            held.name = name.to_owned();
            held.first.p50 = if name == "stock" { 1000.0 } else { 4.0 };
            all.push(held.clone());
        }
        let what = "cold start, call-event against the stock build, 7 % of one";
        assert_eq!(bar(&bars(&results), what).missed_by, None);
    }

    #[test]
    fn who_writes_twice_may_take_more_of_the_cpu() {
        let mut results = example();
        results.figures[1].warm_cpu = 0.25;
        let bars = bars(&results);
        assert!(bar(&bars, "CPU of a warm callback, notify").missed_by.is_some());
        assert_eq!(bar(&bars, "CPU of a warm callback, call-event").missed_by, None);
    }

    #[test]
    fn a_floor_of_nothing_holds_no_bar() {
        let mut results = example();
        results.figures[0].warm_cpu = f64::NAN;
        assert!(bar(&bars(&results), "CPU of a warm callback, notify").missed_by.is_some());
    }

    #[test]
    fn long_calls_may_not_ask_for_more_and_the_spool_may_lose_nothing() {
        let row = |events, capacity| CallRow {
            function: "group-call-event".to_owned(),
            events,
            calls: 1,
            people: 2,
            environments: 1,
            whole: Grown::default(),
            last_tenth: Grown { requests: 3.0, capacity, ..Grown::default() },
        };
        let growth = Growth { calls: vec![row(10, 4.0), row(10_000, 4.2)], tables: Vec::new() };
        let replay = Replay { records_a_second: 900.0, lost: 1, ..Replay::default() };
        let results = Results { growth: Some(growth), replay: Some(replay), ..example() };
        let bars = bars(&results);
        let missed = |what: &str| bars.iter().find(|bar| bar.what.starts_with(what)).unwrap().missed_by.is_some();
        assert!(
            missed("requests and capacity") && missed("replay, records a second") && missed("replay, records lost")
        );
    }
}
