//! How long each step may take.
//!
//! Tencent times out after 2 s (TR/34354); LINE's timeout is undocumented. So a callback is
//! answered within 2 s, whatever AWS does: what the store does not take within its budget goes to
//! the spool in the time left.
//!
//! Each budget has room for a second attempt: a connection that died while the environment was
//! frozen fails only when it is used.

use std::time::Duration;

/// Time-outs of one AWS operation.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// To connect.
    pub connect: Duration,
    /// For one attempt, connecting included.
    pub attempt: Duration,
    /// For all attempts and the pauses between them.
    pub whole: Duration,
}

/// To store a record while the vendor waits.
pub const STORE: Budget = Budget {
    connect: Duration::from_millis(250),
    attempt: Duration::from_millis(400),
    whole: Duration::from_millis(900),
};

/// To spool a record that was not stored. It is one request, but gets as long as the store: it is
/// the last resort, and often has to open its connection first.
pub const SPOOL: Budget = Budget {
    connect: Duration::from_millis(350),
    attempt: Duration::from_millis(400),
    whole: Duration::from_millis(850),
};

/// To publish a push job.
pub const PUSH: Budget = Budget {
    connect: Duration::from_millis(300),
    attempt: Duration::from_millis(800),
    whole: Duration::from_millis(1_750),
};

/// To claim a call's ring and to read the callee's devices, both at once.
pub const DEVICES: Budget = Budget {
    connect: Duration::from_millis(150),
    attempt: Duration::from_millis(200),
    whole: Duration::from_millis(450),
};

/// To ring every device. The push job is published at the same time.
pub const RING: Budget = Budget {
    connect: Duration::from_millis(300),
    attempt: Duration::from_millis(470),
    whole: Duration::from_millis(1_000),
};

/// When pushes and publishing are given up, should they not keep their own budget.
pub const RING_LIMIT: Duration = Duration::from_millis(1_040);

/// To note that the call was rung, and to remove dead devices, both at once. An answer does not
/// depend on it.
pub const AFTER_RING: Duration = Duration::from_millis(300);

/// To register, read or remove a device. An app waits, which can try again.
pub const REGISTER: Budget = Budget {
    connect: Duration::from_millis(500),
    attempt: Duration::from_millis(1_200),
    whole: Duration::from_millis(4_000),
};

/// For one of the queries that read calls. An app or a person waits, who can try again.
pub const READ: Budget = Budget {
    connect: Duration::from_millis(500),
    attempt: Duration::from_millis(2_000),
    whole: Duration::from_millis(5_000),
};

/// For all queries of one request for calls: a list of many days makes several.
pub const READ_LIMIT: Duration = Duration::from_millis(8_000);

/// To store a spooled record, or to publish it to the dead letters. No vendor is waiting.
pub const REPLAY: Budget = Budget {
    connect: Duration::from_millis(1_000),
    attempt: Duration::from_millis(2_000),
    whole: Duration::from_millis(5_000),
};

/// To ring all devices of a callee.
pub const PUSHES: Budget = Budget {
    connect: Duration::from_millis(400),
    attempt: Duration::from_millis(470),
    whole: Duration::from_millis(1_000),
};

/// How long after its time a push may still end by itself.
pub const PUSHES_SLACK: Duration = Duration::from_millis(20);

/// To read the keys for pushes in INIT.
pub const KEYS: Budget = Budget {
    connect: Duration::from_millis(300),
    attempt: Duration::from_millis(400),
    whole: Duration::from_millis(900),
};

/// To open a connection at start. The callback that caused the start is waiting.
pub const WARM_UP: Duration = Duration::from_millis(200);

/// Attempts within a budget, the first one included.
pub const ATTEMPTS: u32 = 4;
/// The pause before the second attempt; the SDK doubles it each time and shortens it at random.
pub const FIRST_PAUSE: Duration = Duration::from_millis(40);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_steps_together_leave_a_vendor_with_2_s_of_patience_an_answer() {
        let limit = Duration::from_millis(1_800);
        assert!(STORE.whole + SPOOL.whole <= limit);
        assert!(PUSH.whole <= limit);
        assert!(DEVICES.whole + RING_LIMIT + AFTER_RING <= limit && RING.whole < RING_LIMIT);
        assert!(PUSHES.whole + PUSHES_SLACK < RING_LIMIT);
    }

    #[test]
    fn every_budget_has_room_for_a_second_attempt() {
        for budget in [STORE, SPOOL, PUSH, DEVICES, RING, PUSHES, KEYS, REGISTER, READ, REPLAY] {
            assert!(budget.connect < budget.attempt);
            assert!(budget.attempt * 2 + FIRST_PAUSE < budget.whole, "{budget:?}");
        }
    }
}
