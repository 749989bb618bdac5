//! When each callback of a call is sent: at its time, or as chaos has it; and what a load has measured.

use std::collections::BTreeMap;
use std::time::Duration;

/// One sending of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sending {
    pub(crate) after: Duration,
    pub(crate) step: usize,
    /// Whether the same callback was planned already.
    pub(crate) again: bool,
}

/// When the steps are sent that happen at these seconds, played so many times as fast.
pub(crate) fn plan(steps: &[f64], speed: f64) -> Vec<Sending> {
    let sending = |(step, at): (usize, &f64)| Sending { after: seconds(at / speed), step, again: false };
    steps.iter().enumerate().map(sending).collect()
}

/// The same with callbacks that are late and come again, in whatever order that makes. `may_repeat` says
/// which may come again: an incoming call would ring twice.
pub(crate) fn chaos(
    plan: &[Sending],
    may_repeat: impl Fn(usize) -> bool,
    random: &mut fastrand::Rng,
) -> Vec<Sending> {
    let length = plan.iter().map(|sending| sending.after).max().unwrap_or_default();
    // Long enough to overtake the others, however fast the call is played.
    let latest = (length / 2).max(Duration::from_millis(200)).as_secs_f64();
    let mut planned = Vec::new();
    for sending in plan {
        let repeats = if may_repeat(sending.step) { random.usize(0..3) } else { 0 };
        for _ in 0..=repeats {
            let late = if random.bool() { seconds(random.f64() * latest) } else { Duration::ZERO };
            planned.push(Sending { after: sending.after + late, ..*sending });
        }
    }
    planned.sort_by_key(|sending| sending.after);
    let mut seen = Vec::new();
    for sending in &mut planned {
        sending.again = seen.contains(&sending.step);
        seen.push(sending.step);
    }
    planned
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// What a load has measured.
#[derive(Debug, Default)]
pub(crate) struct Load {
    latencies: Vec<Duration>,
    /// How often each answer came.
    pub(crate) answers: BTreeMap<String, u64>,
    /// Callbacks that were answered with something else than 200.
    pub(crate) failed: u64,
    /// Callbacks that were not sent, because too many were on their way.
    pub(crate) left_out: u64,
}

impl Load {
    pub(crate) fn add(&mut self, taken: bool, answer: String, took: Duration) {
        self.latencies.push(took);
        *self.answers.entry(answer).or_default() += 1;
        self.failed += u64::from(!taken);
    }

    pub(crate) fn count(&self) -> usize {
        self.latencies.len()
    }

    /// The latency that so many percent of the answers did not exceed, in milliseconds.
    pub(crate) fn percentiles(&mut self, percents: &[usize]) -> Vec<f64> {
        self.latencies.sort_unstable();
        let at = |percent: &usize| {
            let position = (self.latencies.len() * percent).div_ceil(100).max(1) - 1;
            self.latencies.get(position).map_or(0.0, |took| (took.as_secs_f64() * 10_000.0).round() / 10.0)
        };
        percents.iter().map(at).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_times_as_fast_takes_a_tenth_of_the_time() {
        let after: Vec<u128> =
            plan(&[0.0, 6.0, 48.0], 10.0).iter().map(|each| each.after.as_millis()).collect();
        assert_eq!(after, [0, 600, 4_800]);
    }

    #[test]
    fn chaos_repeats_reorders_and_delays_and_loses_nothing() {
        let calm = plan(&[0.0, 1.0, 2.0, 3.0], 1.0);
        let mut random = fastrand::Rng::with_seed(7);
        let (mut repeated, mut reordered, mut delayed) = (0, 0, 0);
        for _ in 0..100 {
            let wild = chaos(&calm, |step| step != 0, &mut random);
            for sending in &calm {
                let times = wild.iter().filter(|each| each.step == sending.step).count();
                assert!((1..=3).contains(&times) && (sending.step != 0 || times == 1));
                assert!(wild.iter().all(|each| each.step != sending.step || each.after >= sending.after));
            }
            assert!(wild.is_sorted_by_key(|each| each.after));
            repeated += wild.iter().filter(|each| each.again).count();
            reordered += usize::from(!wild.is_sorted_by_key(|each| each.step));
            delayed += wild.iter().filter(|each| calm.iter().all(|other| other.after != each.after)).count();
        }
        assert!(repeated > 0 && reordered > 0 && delayed > 0, "{repeated} {reordered} {delayed}");
    }

    #[test]
    fn a_percentile_is_a_latency_that_was_measured() {
        let mut load = Load::default();
        assert_eq!(load.percentiles(&[50, 100]), [0.0, 0.0]);
        for milliseconds in (1..=200).rev() {
            load.add(milliseconds > 1, "200".into(), Duration::from_millis(milliseconds));
        }
        assert_eq!(load.percentiles(&[50, 90, 99, 100]), [100.0, 180.0, 198.0, 200.0]);
        assert_eq!((load.failed, load.answers["200"]), (1, 200));
    }
}
