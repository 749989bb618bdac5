//! What the functions must keep to, and whether they did in a run.

use crate::results::Results;
use crate::starts::Starts;
use crate::subject::{COMPARED, Kind};

const MEGABYTE: f64 = 1e6;

/// A limit, and what to measure against it.
struct Bar {
    what: &'static str,
    limit: Limit,
    unit: Unit,
    measured: Measured,
}

#[derive(Clone, Copy)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
    /// Of the floor's memory twice as much, and so many bytes.
    TwiceTheFloorAnd(f64),
}

#[derive(Clone, Copy)]
enum Unit {
    TimesTheFloor,
    /// Of another's time: at least so many times as fast.
    Fraction,
    Megabytes,
    PercentApart,
    Count,
}

/// Of every function with this many requests (any, where it is 0), of `call-event` against another, or of the
/// run.
enum Measured {
    Functions(f64, fn(&Starts, &Starts) -> f64),
    Against(Kind, fn(&Starts) -> Option<f64>),
    Run(fn(&Results) -> Option<f64>),
}

use Limit::{AtLeast, AtMost, TwiceTheFloorAnd};
use Measured::{Against, Functions, Run};
use Unit::{Count, Fraction, Megabytes, PercentApart, TimesTheFloor};

const fn bar(what: &'static str, limit: Limit, unit: Unit, measured: Measured) -> Bar {
    Bar { what, limit, unit, measured }
}

const WHOLE: fn(&Starts) -> Option<f64> = |starts| Some(starts.cold.p50);
const HELD: fn(&Starts) -> Option<f64> = Starts::held_cold;
const WARM_CPU: fn(&Starts, &Starts) -> f64 = |function, floor| function.warm_cpu_ms / floor.warm_cpu_ms;

const BARS: [Bar; 14] = [
    bar(
        "cold start",
        AtMost(3.0),
        TimesTheFloor,
        Functions(0.0, |function, floor| function.cold.p50 / floor.cold.p50),
    ),
    bar(
        "cold start against the stock build, a whole core",
        AtLeast(15.0),
        Fraction,
        Against(Kind::Stock, WHOLE),
    ),
    bar("cold start against Node, a whole core", AtLeast(60.0), Fraction, Against(Kind::Node, WHOLE)),
    bar("cold start against Python, a whole core", AtLeast(60.0), Fraction, Against(Kind::Python, WHOLE)),
    bar(
        "cold start against the stock build, 7 % of a core",
        AtLeast(15.0),
        Fraction,
        Against(Kind::Stock, HELD),
    ),
    bar("cold start against Node, 7 % of a core", AtLeast(60.0), Fraction, Against(Kind::Node, HELD)),
    bar("cold start against Python, 7 % of a core", AtLeast(60.0), Fraction, Against(Kind::Python, HELD)),
    bar("CPU of a warm callback with one request", AtMost(4.0), TimesTheFloor, Functions(1.0, WARM_CPU)),
    bar("CPU of a warm callback with two requests", AtMost(6.0), TimesTheFloor, Functions(2.0, WARM_CPU)),
    bar(
        "memory",
        TwiceTheFloorAnd(4.0 * MEGABYTE),
        Megabytes,
        Functions(0.0, |function, _| function.resident_bytes as f64),
    ),
    bar("zip", AtMost(2.5 * MEGABYTE), Megabytes, Functions(0.0, |function, _| function.zip_bytes as f64)),
    // A callback of a longer call may carry a longer number, and an item may just reach the next unit for it.
    bar(
        "requests and write units a callback, from 10 to 10,000 events in one call",
        AtMost(0.01),
        PercentApart,
        Run(|results| Some(results.growth.as_ref()?.largest_difference())),
    ),
    bar(
        "replay, records a second",
        AtLeast(1000.0),
        Count,
        Run(|results| Some(results.replay.as_ref()?.records_a_second)),
    ),
    bar(
        "replay, records lost or given back",
        AtMost(0.0),
        Count,
        Run(|results| results.replay.as_ref().map(|replay| (replay.lost + replay.given_back) as f64)),
    ),
];

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
    BARS.iter().flat_map(|bar| bar.verdicts(results)).collect()
}

impl Bar {
    fn verdicts(&self, results: &Results) -> Vec<Verdict> {
        let floor = results.of_kind(Kind::Floor);
        match self.measured {
            Functions(requests, of) => {
                let Some(floor) = floor else { return Vec::new() };
                let functions = results.functions().filter(|it| requests == 0.0 || it.requests == requests);
                let name = |function: &Starts| format!("{}, {}", self.what, function.name);
                functions.map(|it| self.verdict(name(it), of(it, floor), Some(floor))).collect()
            }
            Against(kind, of) => {
                let ours = results.functions().find(|function| function.name == COMPARED).and_then(of);
                let times = results.of_kind(kind).and_then(of).zip(ours).map(|(other, ours)| other / ours);
                let what = self.what.replacen("cold start", &format!("cold start, {COMPARED}"), 1);
                times.map(|times| self.verdict(what, times, None)).into_iter().collect()
            }
            Run(of) => {
                of(results).map(|it| self.verdict(self.what.to_owned(), it, None)).into_iter().collect()
            }
        }
    }

    fn verdict(&self, what: String, measured: f64, floor: Option<&Starts>) -> Verdict {
        let (sign, limit) = match (self.limit, self.unit) {
            // A bar of a fraction is an upper one: the fraction's inverse must be at least so large.
            (AtLeast(limit), Fraction) => ("≤", limit),
            (AtLeast(limit), _) => ("≥", limit),
            (AtMost(limit), _) => ("≤", limit),
            (TwiceTheFloorAnd(bytes), _) => {
                ("≤", floor.map_or(0.0, |floor| 2.0 * floor.resident_bytes as f64) + bytes)
            }
        };
        let part = match (self.limit, self.unit) {
            (AtLeast(_), Fraction) => limit / measured - 1.0,
            (AtLeast(_), _) => 1.0 - measured / limit,
            _ if measured <= limit => 0.0,
            _ => measured / limit - 1.0,
        };
        let missed_by = (part.is_nan() || part > 0.0).then_some(part);
        let (limit, measured) = (self.in_words(limit), self.in_words(measured));
        Verdict { what, limit: format!("{sign} {limit}"), measured, missed_by }
    }

    fn in_words(&self, value: f64) -> String {
        match self.unit {
            TimesTheFloor => format!("{value:.2} × floor"),
            Fraction => format!("1/{value:.1}"),
            Megabytes => format!("{:.2} MB", value / MEGABYTE),
            PercentApart => format!("{:.1} % apart", value * 100.0),
            Count => format!("{value:.0}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environments::Figures;
    use crate::growth::{Growth, LengthRow};
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
        assert_eq!(missed(&results, "cold start, call-event"), Some(25));
        // 10.67 times as fast, where 15 times is asked for.
        let stock = verdict(&results, "cold start, call-event against the stock build, a whole core");
        assert_eq!((stock.limit.as_str(), stock.measured.as_str()), ("≤ 1/15.0", "1/10.7"));
        assert_eq!(stock.missed_by.map(|part| (part * 100.0).round()), Some(41.0));
    }

    #[test]
    fn what_is_held_to_a_share_of_a_core_is_compared_with_others_that_are_and_did_not_fail() {
        let results = example();
        assert_eq!(missed(&results, "cold start, call-event against Node, 7 % of a core"), None);
        assert!(verdicts(&results).iter().all(|it| !it.what.contains("stock build, 7 %")));
    }

    #[test]
    fn a_function_that_writes_twice_may_take_more_of_the_cpu() {
        let mut results = example();
        results.starts[1].warm_cpu_ms = 0.25;
        assert_eq!(missed(&results, "CPU of a warm callback with one request, notify"), Some(25));
        assert_eq!(missed(&results, "CPU of a warm callback with two requests, call-event"), None);
    }

    #[test]
    fn a_floor_of_nothing_holds_no_bar() {
        let mut results = example();
        results.starts[0].warm_cpu_ms = f64::NAN;
        assert!(verdict(&results, "CPU of a warm callback with one request, notify").missed_by.is_some());
    }

    #[test]
    fn memory_may_be_twice_the_floors_and_four_megabytes_and_a_zip_two_and_a_half() {
        let mut results = example();
        results.starts[1].resident_bytes = 14_700_000;
        results.starts[1].zip_bytes = 2_500_001;
        assert_eq!(missed(&results, "memory, notify"), Some(5));
        assert_eq!(
            (missed(&results, "memory, call-event"), missed(&results, "zip, call-event")),
            (None, None)
        );
        assert_eq!(missed(&results, "zip, notify"), Some(0));
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
            "requests and write units a callback, from 10 to 10,000 events in one call",
            "replay, records a second",
            "replay, records lost or given back",
        ] {
            assert!(verdict(&results, what).missed_by.is_some(), "{what}");
        }
    }
}
