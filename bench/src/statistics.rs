//! Many measurements in three numbers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Half of all measurements are at most the first, nine tenths at most the second, 99 of 100 at most the third. Milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The median.
    pub p50: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// The 99th percentile; of fewer than 100 measurements, the largest.
    pub p99: f64,
}

impl Spread {
    /// Of times.
    pub fn of(times: &[Duration]) -> Self {
        let mut sorted: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        Self { p50: percentile(&sorted, 50), p90: percentile(&sorted, 90), p99: percentile(&sorted, 99) }
    }
}

/// The smallest of the sorted values that `percent` of 100 do not exceed; 0 when there is none.
pub fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let position = (sorted.len() * percent).div_ceil(100);
    sorted.get(position.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!([1, 50, 90, 99, 100].map(|percent| percentile(&hundred, percent)), [1.0, 50.0, 90.0, 99.0, 100.0]);
        assert_eq!([50, 90, 99].map(|percent| percentile(&[3.0, 4.0, 9.0], percent)), [4.0, 9.0, 9.0]);
        assert_eq!(percentile(&[7.0], 99), 7.0);
        assert_eq!(percentile(&[], 50), 0.0);
    }

    #[test]
    fn a_spread_does_not_ask_for_times_in_order() {
        let times: Vec<Duration> = (0..20).rev().map(|number| Duration::from_micros(number * 1000)).collect();
        assert_eq!(Spread::of(&times), Spread { p50: 9.0, p90: 17.0, p99: 19.0 });
    }
}
