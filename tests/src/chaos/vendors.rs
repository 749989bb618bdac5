//! Sends callbacks as the vendors would: LINE once, whatever the answer; Tencent again until the answer is
//! OK or it gives up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Barrier, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::callbacks::Callback;
use crate::control_plane::{Function, Reply};

/// Tencent's waits before it sends again (TR/60130), in seconds.
const TENCENTS_WAITS: [u64; 6] = [0, 1, 1, 2, 3, 5];
/// Ten times as fast as Tencent.
pub(super) const HASTE: u32 = 10;
/// No function may take so long, and a hung one must not stop the harness.
const PATIENCE: Duration = Duration::from_secs(10);

/// How callbacks are sent.
///
/// One instance takes one request at a time, as on Lambda.
#[derive(Clone, Debug)]
pub struct Sending {
    /// The functions and how many instances of each there are.
    pub instances: Vec<(&'static str, usize)>,
    /// How often Tencent sends again.
    pub repeats: usize,
    /// When everything must be over.
    pub deadline: Duration,
}

/// What the vendor saw of one delivery.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// 200, and for Tencent `ErrorCode` 0; `None` when there was no answer.
    pub(super) taken: Option<bool>,
    /// From the event to the answer.
    pub(super) took: Duration,
    /// What it was, where it was not the answer of a function.
    pub(super) odd: Option<String>,
}

/// Sends all callbacks. Returns what the vendor saw of each delivery, and nothing for a callback that was not
/// sent in time. With `kills`, functions are killed in the middle of a request and replaced.
pub(super) fn send(
    sending: &Sending,
    callbacks: &[Callback],
    token: &str,
    variables: &[(&str, &str)],
    kills: bool,
) -> Vec<Vec<Seen>> {
    let deadline = Instant::now() + sending.deadline;
    let seen: Vec<Mutex<Vec<Seen>>> = callbacks.iter().map(|_| Mutex::default()).collect();
    let desk = |function: &str| {
        let numbers = in_some_order(callbacks.iter().filter(|callback| callback.function == function));
        Desk::with(&numbers, deadline)
    };
    let desks: Vec<(&str, usize, Desk)> = sending
        .instances
        .iter()
        .map(|(function, instances)| (*function, *instances, desk(function)))
        .collect();
    // So many programs that start at once would keep the first callbacks waiting.
    let all_ask = Barrier::new(sending.instances.iter().map(|(_, instances)| instances).sum());
    std::thread::scope(|scope| {
        for (function, instances, desk) in &desks {
            for _ in 0..*instances {
                let (seen, all_ask) = (&seen, &all_ask);
                scope.spawn(move || {
                    let mut running = Function::start(function, variables);
                    let asks = running.wait_until_it_asks();
                    all_ask.wait();
                    assert!(asks, "{function} did not start");
                    // Nor do callbacks come in step, all time-outs at one moment.
                    std::thread::sleep(Duration::from_millis(fastrand::u64(0..1_000)));
                    while let Some(number) = desk.take() {
                        let callback = &callbacks[number];
                        let what = deliver(&mut running, &callback.event(token), kills);
                        // A function that was killed may have answered just before.
                        if what.taken.is_none() || !running.is_running() {
                            running = Function::start(function, variables);
                        }
                        let taken = what.taken == Some(true);
                        let mut seen = seen[number].lock().unwrap();
                        let wait =
                            TENCENTS_WAITS[..sending.repeats.min(TENCENTS_WAITS.len())].get(seen.len());
                        seen.push(what);
                        match wait.filter(|_| callback.is_sent_again() && !taken) {
                            Some(seconds) => desk.again(number, Duration::from_secs(*seconds) / HASTE),
                            None => desk.done(),
                        }
                    }
                });
            }
        }
    });
    seen.into_iter().map(|seen| seen.into_inner().unwrap()).collect()
}

/// Nearly in the order of the stories: what follows each other closely comes in any order, and at once.
fn in_some_order<'a>(callbacks: impl Iterator<Item = &'a Callback>) -> Vec<usize> {
    let mut numbers: Vec<usize> = callbacks.map(|callback| callback.number).collect();
    for near in numbers.chunks_mut(20) {
        fastrand::shuffle(near);
    }
    numbers
}

fn deliver(running: &mut Function, event: &str, kills: bool) -> Seen {
    let handed = running.hand_over(event);
    let reply = if kills && fastrand::bool() {
        // From before the first write to after the last, as far as these take here.
        match running.reply(handed, Duration::from_micros(fastrand::u64(0..50_000))) {
            Reply::Nothing => {
                running.kill();
                // What it had sent before it died has arrived.
                running.reply(handed, Duration::from_millis(20))
            }
            reply => reply,
        }
    } else {
        running.reply(handed, PATIENCE)
    };
    let took = handed.elapsed();
    match reply {
        Reply::Response(response, took) => {
            Seen { taken: Some(is_taken(&response)), took, odd: odd(&response) }
        }
        Reply::Failed(report) => Seen { taken: Some(false), took, odd: Some(report) },
        Reply::Nothing => Seen { taken: None, took, odd: None },
    }
}

fn is_taken(response: &Value) -> bool {
    let body: Value =
        response["body"].as_str().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
    response["statusCode"] == 200 && body.get("ErrorCode").is_none_or(|code| *code == 0)
}

/// Of these callbacks, a function may only say that it took them or that it cannot now.
fn odd(response: &Value) -> Option<String> {
    (!matches!(response["statusCode"].as_u64(), Some(200 | 503))).then(|| response.to_string())
}

/// What is to be sent to one function, by the time when it is due.
struct Desk {
    work: Mutex<Work>,
    changed: Condvar,
    deadline: Instant,
}

struct Work {
    /// Due when, in what place, which callback.
    due: BinaryHeap<Reverse<(Instant, usize, usize)>>,
    /// Callbacks that may still be sent, be they due or just being sent.
    open: usize,
}

impl Desk {
    fn with(numbers: &[usize], deadline: Instant) -> Self {
        let now = Instant::now();
        let due = numbers.iter().enumerate().map(|(place, number)| Reverse((now, place, *number))).collect();
        Self { work: Mutex::new(Work { due, open: numbers.len() }), changed: Condvar::new(), deadline }
    }

    /// The next one, as soon as it is due; `None` when nothing more will be, or it is too late.
    fn take(&self) -> Option<usize> {
        let mut work = self.work.lock().unwrap();
        loop {
            let now = Instant::now();
            if work.open == 0 || now > self.deadline {
                return None;
            }
            let wait = match work.due.peek() {
                Some(Reverse((at, _, _))) if *at <= now => {
                    return work.due.pop().map(|Reverse((_, _, number))| number);
                }
                Some(Reverse((at, _, _))) => *at - now,
                None => Duration::from_secs(1),
            };
            work = self.changed.wait_timeout(work, wait).unwrap().0;
        }
    }

    fn again(&self, number: usize, wait: Duration) {
        self.work.lock().unwrap().due.push(Reverse((Instant::now() + wait, 0, number)));
        self.changed.notify_one();
    }

    fn done(&self) {
        self.work.lock().unwrap().open -= 1;
        self.changed.notify_all();
    }
}
