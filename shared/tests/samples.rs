//! The sample callbacks of every recorder, each on an empty table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use ringback::door::callback::Callback;
use ringback::testing;

#[test]
fn every_sample_event_becomes_what_is_expected_of_it() {
    for callback in Callback::ALL {
        testing::play_samples(callback);
    }
}
