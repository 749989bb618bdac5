//! A run's results: what the page shows, and what `docs/performance.json` holds for programs.

use std::time::Duration;

use serde::Serialize;

use crate::calls::CallRow;
use crate::growth::Growth;
use crate::machine::Machine;
use crate::reading::Reading;
use crate::replay::Replay;
use crate::starts::Starts;
use crate::subject::Kind;

#[derive(Clone, Debug, Default, Serialize)]
pub struct Results {
    pub command: String,
    pub machine: Machine,
    /// Whether the functions had a core to themselves.
    pub had_a_core: bool,
    /// Cold starts of each subject.
    pub rounds: usize,
    /// Warm callbacks of each subject.
    pub warm_callbacks: u64,
    pub starts: Vec<Starts>,
    /// Why no subject could be held to a share of a core.
    pub cannot_hold: Option<String>,
    pub calls: Vec<CallRow>,
    pub growth: Option<Growth>,
    pub replay: Option<Replay>,
    pub reading: Option<Reading>,
}

impl Results {
    /// The only subject of its kind.
    pub fn of_kind(&self, kind: Kind) -> Option<&Starts> {
        self.starts.iter().find(|starts| starts.kind == kind)
    }

    pub fn functions(&self) -> impl Iterator<Item = &Starts> {
        self.starts.iter().filter(|starts| starts.kind == Kind::Function)
    }
}

/// Half of all measurements are at most the first, nine tenths at most the second, 99 of 100 at most the
/// third; in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    pub p50: f64,
    pub p90: f64,
    /// Of fewer than 100 measurements, the largest.
    pub p99: f64,
}

impl Spread {
    pub fn of(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut sorted: Vec<f64> = times.into_iter().map(|time| time.as_secs_f64() * 1e3).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        Self { p50: percentile(&sorted, 50), p90: percentile(&sorted, 90), p99: percentile(&sorted, 99) }
    }
}

/// The smallest of the sorted values that so many of a hundred do not exceed; 0 when there is none.
pub fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let position = (sorted.len() * percent).div_ceil(100);
    sorted.get(position.saturating_sub(1)).copied().unwrap_or_default()
}

/// A run that was never made, for the tests of what is written about runs.
#[cfg(test)]
pub(crate) fn example() -> Results {
    let spread = |p50: f64| Spread { p50, p90: p50 * 1.1, p99: p50 * 1.5 };
    let starts = |name: &str, kind, requests, cold: f64, warm_cpu_ms: f64| Starts {
        name: name.to_owned(),
        kind,
        requests,
        handshakes: requests,
        init: spread(cold * 0.6),
        first: spread(cold * 0.4),
        cold: spread(cold),
        init_cpu_ms: cold * 0.5,
        first_cpu_ms: cold * 0.3,
        warm: spread(warm_cpu_ms * 2.0),
        warm_cpu_ms,
        resident_bytes: 5_000_000,
        program_bytes: 3_000_000,
        zip_bytes: 2_000_000,
        held: None,
    };
    let mut results = Results {
        machine: Machine { processor: "Example 9000".to_owned(), ..Machine::default() },
        starts: vec![
            starts("floor", Kind::Floor, 0.0, 4.0, 0.05),
            starts("notify", Kind::Function, 1.0, 10.0, 0.15),
            starts("call-event", Kind::Function, 2.0, 10.0, 0.25),
            starts("stock", Kind::Stock, 2.0, 160.0, 0.3),
            starts("node", Kind::Node, 2.0, 650.0, 1.5),
        ],
        ..Results::default()
    };
    let held = |first| Ok(crate::starts::Held { rounds: 10, first: spread(first), warm: spread(0.5) });
    let all = [held(1.0), held(1.0), held(4.0), Err("it answered | 503".to_owned()), held(1_000.0)];
    results.starts.iter_mut().zip(all).for_each(|(starts, held)| starts.held = Some(held));
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured_in_any_order() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!([1, 50, 99, 100].map(|percent| percentile(&hundred, percent)), [1.0, 50.0, 99.0, 100.0]);
        assert_eq!(percentile(&[], 50), 0.0);
        let times = (0..20).rev().map(|number| Duration::from_micros(number * 1000));
        assert_eq!(Spread::of(times), Spread { p50: 9.0, p90: 17.0, p99: 19.0 });
    }
}
