//! What the functions must keep to, and whether they did in a run.

use crate::reading::Reading;
use crate::results::Results;
use crate::starts::Starts;
use crate::subject::{COMPARED, Kind};

/// A figure of a function, beside the floor.
type Figure = fn(&Starts, &Starts) -> f64;
type InWords = fn(f64) -> String;
type Cold = fn(&Starts) -> Option<f64>;

/// Of every function: what is limited, at most to what, and how both are said.
const OF_FUNCTIONS: [(&str, Figure, Figure, InWords); 4] = [
    ("cold start", |it, floor| it.cold.p50 / floor.cold.p50, |_, _| 2.6, times_the_floor),
    (
        "CPU of a warm callback",
        |it, floor| it.warm_cpu_ms / floor.warm_cpu_ms,
        |it, _| if it.requests > 1.0 { 9.0 } else { 4.5 },
        times_the_floor,
    ),
    (
        "memory",
        |it, _| it.resident_bytes as f64,
        |_, floor| 2.0 * floor.resident_bytes as f64 + 4e6,
        megabytes,
    ),
    ("zip", |it, _| it.zip_bytes as f64, |_, _| 4e6, megabytes),
];
/// Of a notify that rings. A cold start beside the floor's, and the CPU of a warm one that rings one device.
const RINGING_COLD: f64 = 6.0;
const RINGING_CPU_MS: f64 = 2.0;
/// How many times as long as one device eight may take.
const EIGHT_DEVICES: f64 = 3.0;
/// How many times as long as `call-event` others must take to start.
const OTHERS: [(Kind, &str, f64); 3] =
    [(Kind::Stock, "the stock build", 15.0), (Kind::Node, "Node", 60.0), (Kind::Python, "Python", 60.0)];
/// Not 0: a callback of a longer call may carry a longer number, and an item just reach the next unit for it.
const GROWTH: f64 = 0.01;
const REPLAYED_A_SECOND: f64 = 1000.0;
const PROJECTED_A_SECOND: f64 = 1000.0;
/// To list 10,000 live rooms.
const LIVE_MS: f64 = 1_000.0;
const LOST: f64 = 0.0;

/// How a bar was met.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub what: String,
    pub limit: String,
    pub measured: String,
    /// By how much the limit was missed, as a part of it; `None` when it was held.
    pub missed_by: Option<f64>,
}

/// Every bar that the run has figures for.
pub fn verdicts(results: &Results) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let mut at_most = |what: String, measured: f64, limit: f64, in_words: InWords| {
        let missed_by = (measured.is_nan() || measured > limit).then(|| measured / limit - 1.0);
        let (limit, measured) = (format!("≤ {}", in_words(limit)), in_words(measured));
        verdicts.push(Verdict { what, limit, measured, missed_by });
    };
    for (what, figure, limit, in_words) in OF_FUNCTIONS {
        for (function, floor) in
            results.functions().filter_map(|it| Some((it, results.of_kind(Kind::Floor)?)))
        {
            let what = format!("{what}, {}", function.name);
            at_most(what, figure(function, floor), limit(function, floor), in_words);
        }
    }
    let ringing: Vec<&Starts> = results.starts.iter().filter(|it| it.kind == Kind::Ringing).collect();
    for (it, floor) in ringing.iter().filter_map(|it| Some((it, results.of_kind(Kind::Floor)?))) {
        let times = it.cold.p50 / floor.cold.p50;
        at_most(format!("cold start, {}", it.name), times, RINGING_COLD, times_the_floor);
    }
    if let [one, eight] = ringing[..] {
        at_most(
            format!("CPU of a warm callback, {}", one.name),
            one.warm_cpu_ms,
            RINGING_CPU_MS,
            milliseconds,
        );
        let times = eight.warm.p50 / one.warm.p50;
        at_most("a warm callback, 8 devices against one".to_owned(), times, EIGHT_DEVICES, times_one);
    }
    let whole_core: Cold = |it| Some(it.cold.p50);
    for (share, cold) in [("a whole core", whole_core), ("7 % of one", Starts::held_cold)] {
        let ours = results.functions().find(|it| it.name == COMPARED).and_then(cold);
        for (kind, name, times) in OTHERS {
            if let Some((ours, other)) = ours.zip(results.of_kind(kind).and_then(cold)) {
                let what = format!("cold start, {COMPARED} against {name}, {share}");
                at_most(what, ours / other, 1.0 / times, fraction);
            }
        }
    }
    if let Some(growth) = &results.growth {
        let what = "requests and write units a callback, 10 to 10,000 events a call";
        at_most(what.to_owned(), growth.largest_difference(), GROWTH, |part| {
            format!("{:.1} % apart", part * 100.0)
        });
    }
    if let Some(replay) = &results.replay {
        at_most(
            "replay, records lost or given back".to_owned(),
            (replay.lost + replay.given_back) as f64,
            LOST,
            whole,
        );
        verdicts.push(at_least("replay, records a second", replay.records_a_second, REPLAYED_A_SECOND));
    }
    verdicts.extend(results.reading.iter().flat_map(of_reading));
    verdicts
}

/// What is limited, what was measured, the limit, and how both are said.
type Bar<'a> = (&'a str, f64, f64, &'a dyn Fn(f64) -> String);

fn of_reading(reading: &Reading) -> Vec<Verdict> {
    let apart = |part: f64| format!("{:.1} % apart", part * 100.0);
    let throughput = &reading.throughput;
    let list_ms = reading.live.figures.p99_us / 1e3;
    let bars: [Bar<'_>; 4] = [
        (
            "project, requests and units a callback, 10 to 10,000 events or calls",
            reading.largest_difference(),
            GROWTH,
            &apart,
        ),
        (
            "a page of history, requests and read units, 10 to 10,000 calls",
            reading.pages_difference(),
            GROWTH,
            &apart,
        ),
        ("the list of live rooms", list_ms, LIVE_MS, &|time| format!("{time:.0} ms")),
        ("project, rows and counts lost", throughput.lost as f64, LOST, &whole),
    ];
    let mut verdicts: Vec<Verdict> = bars
        .into_iter()
        .map(|(what, measured, limit, in_words)| Verdict {
            what: what.to_owned(),
            limit: format!("≤ {}", in_words(limit)),
            measured: in_words(measured),
            missed_by: (measured.is_nan() || measured > limit).then(|| measured / limit - 1.0),
        })
        .collect();
    verdicts.push(at_least("project, changes a second", throughput.changes_a_second, PROJECTED_A_SECOND));
    verdicts
}

fn at_least(what: &str, measured: f64, limit: f64) -> Verdict {
    Verdict {
        what: what.to_owned(),
        limit: format!("≥ {limit}"),
        measured: whole(measured),
        missed_by: (measured.is_nan() || measured < limit).then(|| 1.0 - measured / limit),
    }
}

fn times_the_floor(times: f64) -> String {
    format!("{times:.2} × floor")
}

fn times_one(times: f64) -> String {
    format!("{times:.2} × one")
}

fn milliseconds(time: f64) -> String {
    format!("{time:.2} ms")
}

/// Of another's time.
fn fraction(part: f64) -> String {
    format!("1/{:.1}", 1.0 / part)
}

fn megabytes(bytes: f64) -> String {
    format!("{:.2} MB", bytes / 1e6)
}

fn whole(count: f64) -> String {
    format!("{count:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environments::Figures;
    use crate::growth::{Growth, LengthRow};
    use crate::reading::{self, Throughput};
    use crate::replay::Replay;
    use crate::results::example;
    use crate::table::Usage;

    fn verdict(results: &Results, what: &str) -> Verdict {
        let verdicts = verdicts(results);
        verdicts
            .iter()
            .find(|it| it.what == what)
            .unwrap_or_else(|| panic!("no {what} in {verdicts:?}"))
            .clone()
    }

    fn missed(results: &Results, what: &str) -> Option<i64> {
        verdict(results, what).missed_by.map(|part| (part * 100.0).round() as i64)
    }

    #[test]
    fn a_bar_that_is_kept_to_is_held_and_one_that_is_not_is_missed_by_so_much() {
        let mut results = example();
        results.starts[2].cold.p50 = 15.0;
        assert_eq!(verdict(&results, "cold start, notify").measured, "2.50 × floor");
        assert_eq!(missed(&results, "cold start, notify"), None);
        assert_eq!(missed(&results, "cold start, call-event"), Some(44));
        // 10.67 times as fast, where 15 times is asked for.
        let stock = verdict(&results, "cold start, call-event against the stock build, a whole core");
        assert_eq!((stock.limit.as_str(), stock.measured.as_str()), ("≤ 1/15.0", "1/10.7"));
        assert_eq!(stock.missed_by.map(|part| (part * 100.0).round()), Some(41.0));
    }

    #[test]
    fn what_is_held_to_a_share_of_a_core_is_compared_with_others_that_are_and_did_not_fail() {
        let results = example();
        assert_eq!(missed(&results, "cold start, call-event against Node, 7 % of one"), None);
        assert!(verdicts(&results).iter().all(|it| !it.what.contains("stock build, 7 %")));
    }

    #[test]
    fn a_function_may_take_so_much_and_more_of_the_cpu_where_it_writes_twice() {
        let mut results = example();
        let notify = &mut results.starts[1];
        notify.warm_cpu_ms = 0.25;
        notify.resident_bytes = 14_700_000;
        notify.zip_bytes = 4_400_000;
        for (what, by) in [("CPU of a warm callback", 11), ("memory", 5), ("zip", 10)] {
            assert_eq!(missed(&results, &format!("{what}, notify")), Some(by));
            assert_eq!(missed(&results, &format!("{what}, call-event")), None);
        }
        // A floor of nothing holds no bar.
        results.starts[0].warm_cpu_ms = f64::NAN;
        assert!(verdict(&results, "CPU of a warm callback, call-event").missed_by.is_some());
    }

    #[test]
    fn long_calls_may_not_ask_for_more_and_the_spool_may_lose_nothing() {
        let row = |events, write_units| LengthRow {
            function: "group-call-event",
            people: 2,
            environments: 1,
            events,
            calls: 1,
            whole: Figures::default(),
            last_tenth: Figures {
                usage: Usage { requests: 3.0, write_units, ..Usage::default() },
                ..Figures::default()
            },
        };
        let growth = Growth { lengths: vec![row(10, 4.0), row(10_000, 4.2)], tables: Vec::new() };
        let replay = Replay { records_a_second: 900.0, lost: 1, ..Replay::default() };
        let results = Results { growth: Some(growth), replay: Some(replay), ..example() };
        for what in [
            "requests and write units a callback, 10 to 10,000 events a call",
            "replay, records a second",
            "replay, records lost or given back",
        ] {
            assert!(verdict(&results, what).missed_by.is_some(), "{what}");
        }
    }

    #[test]
    fn rooms_and_histories_may_not_make_a_change_dearer_and_no_row_may_be_lost() {
        let row = |length, write_units| reading::LengthRow {
            what: "events of a room",
            length,
            last_tenth: Figures {
                usage: Usage { requests: 3.0, write_units, ..Usage::default() },
                ..Figures::default()
            },
        };
        let page = |calls, read_units| reading::PageRow {
            calls,
            rows: 9,
            figures: Figures {
                usage: Usage { requests: 1.0, read_units, ..Usage::default() },
                ..Figures::default()
            },
        };
        let mut reading = Reading {
            lengths: vec![row(10, 4.0), row(10_000, 4.0)],
            pages: vec![page(10, 1.0), page(10_000, 1.0)],
            ..Reading::default()
        };
        reading.live.figures.p99_us = 900_000.0;
        reading.throughput.changes_a_second = 1_000.0;
        let results = Results { reading: Some(reading.clone()), ..example() };
        assert!(of_reading(&reading).iter().all(|bar| bar.missed_by.is_none()));
        assert!(verdicts(&results).iter().any(|bar| bar.what == "the list of live rooms"));
        reading.lengths.push(row(1_000, 4.2));
        reading.pages.push(page(1_000, 2.0));
        reading.live.figures.p99_us = 1_100_000.0;
        reading.throughput = Throughput { changes_a_second: 900.0, lost: 1, ..Throughput::default() };
        assert!(of_reading(&reading).iter().all(|bar| bar.missed_by.is_some()));
    }
}
