//! The stays of a person in a room, from when they came and left.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::history::row::UserRow;

/// A stay in a room, in milliseconds of the vendor's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stay {
    pub came: u64,
    /// `None` while the stay is open, and for good if the vendor never told its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
}

impl Stay {
    /// Its length. `None` while it is open.
    pub fn milliseconds(&self) -> Option<u64> {
        Some(self.left?.saturating_sub(self.came))
    }
}

/// The stays, first one first. Of two events in one millisecond, the leave counts as the later one.
///
/// Who comes again without having left was there all the time. A leave without a coming begins nothing.
pub fn stays(came: &BTreeSet<u64>, left: &BTreeSet<u64>) -> Vec<Stay> {
    let comings = came.iter().map(|at| (*at, false));
    let mut events: Vec<(u64, bool)> = comings.chain(left.iter().map(|at| (*at, true))).collect();
    events.sort_unstable();
    let mut stays: Vec<Stay> = Vec::new();
    for (at, leaves) in events {
        match stays.last_mut().filter(|stay| stay.left.is_none()) {
            Some(open) if leaves => open.left = Some(at),
            None if !leaves => stays.push(Stay { came: at, left: None }),
            _ => {}
        }
    }
    stays
}

/// Whole seconds of the stays that have ended. `None` if none has.
pub fn talk_seconds(stays: &[Stay]) -> Option<u64> {
    let ended: Vec<u64> = stays.iter().filter_map(Stay::milliseconds).collect();
    (!ended.is_empty()).then(|| ended.iter().sum::<u64>() / 1_000)
}

impl UserRow {
    /// With the talk and media of a person in a LINE group, which its row only holds piece by piece.
    #[must_use]
    pub fn with_talk(mut self) -> Self {
        if !self.came.is_empty() || !self.left.is_empty() {
            self.talk_s = talk_seconds(&stays(&self.came, &self.left));
            // Video, if there was any.
            self.media = self.medias.last().copied();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(came: &[u64], left: &[u64]) -> Vec<(u64, Option<u64>)> {
        let set = |moments: &[u64]| moments.iter().copied().collect();
        stays(&set(came), &set(left)).into_iter().map(|stay| (stay.came, stay.left)).collect()
    }

    #[test]
    fn a_rejoin_is_a_second_stay_and_a_stay_without_an_end_is_open() {
        assert_eq!(told(&[1, 10], &[5]), [(1, Some(5)), (10, None)]);
        assert_eq!(told(&[1, 10], &[5, 20]), [(1, Some(5)), (10, Some(20))]);
    }

    #[test]
    fn an_event_that_was_lost_makes_no_talk() {
        assert_eq!(told(&[], &[5]), []);
        assert_eq!(told(&[1, 3], &[5, 7]), [(1, Some(5))]);
    }

    #[test]
    fn in_one_millisecond_the_leave_is_later() {
        assert_eq!(told(&[5], &[5]), [(5, Some(5))]);
        assert_eq!(told(&[1, 5], &[5]), [(1, Some(5))]);
    }

    #[test]
    fn talk_is_the_sum_of_the_stays_that_ended() {
        let stay = |came, left| Stay { came, left };
        assert_eq!(
            talk_seconds(&[stay(0, Some(1_500)), stay(2_000, Some(3_500)), stay(9_000, None)]),
            Some(3)
        );
        assert_eq!(talk_seconds(&[stay(0, None)]), None);
    }

    proptest! {
        #[test]
        fn stays_follow_each_other_and_only_the_last_one_is_open(
            came: BTreeSet<u8>, left: BTreeSet<u8>,
        ) {
            let [came, left]: [BTreeSet<u64>; 2] =
                [came, left].map(|moments| moments.into_iter().map(u64::from).collect());
            let stays = stays(&came, &left);
            for pair in stays.windows(2) {
                prop_assert!(pair[0].left.is_some_and(|end| end <= pair[1].came));
            }
            for stay in &stays {
                prop_assert!(came.contains(&stay.came));
                prop_assert!(stay.left.is_none_or(|end| left.contains(&end) && end >= stay.came));
            }
        }
    }
}
