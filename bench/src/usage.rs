//! What a callback uses of that which AWS charges for: requests and write capacity, bytes that stay in the table, bytes of messages, answers and log lines.
//!
//! Calls as they usually go are played through the built functions against [`Table`], which counts as DynamoDB does. `deployment/cost.py` makes prices of the
//! counts. Nothing here is a time, so that the figures are the same on every machine but for the digits of a latency in a log line.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aws_stub::{AwsRequest, AwsStub, Reply, Service};
use crate::error::BenchError;
use crate::growth::Ground;
use crate::measure::{Figures, Held};
use crate::replay::Replay;
use crate::results::Results;
use crate::sample;
use crate::subject::{Running, Subject};
use crate::table::{Counts, Table};

/// Calls of each kind. Every figure is a mean over their callbacks.
const CALLS: u64 = 50;
/// Calls before any that count: the first callback of an environment prints more than the others.
const WARM_UP: u64 = 2;
/// Digits of a session id that tell one call from another.
const DIGITS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(10);

/// A call, told by sample events in the vendor's order.
#[derive(Clone, Copy, Debug)]
struct Told {
    name: &'static str,
    function: &'static str,
    /// The session id in all of its events.
    sid: &'static str,
    cases: &'static [&'static str],
    /// What each of its callbacks is answered with.
    status: u64,
}

const TOLD: [Told; 9] = [
    Told {
        name: "line incoming call",
        function: "notify",
        sid: "d53ada04-f7b8-440f-adbd-a2e1db345a30",
        cases: &["audio-call"],
        status: 200,
    },
    Told {
        name: "line one-to-one call",
        function: "call-event",
        sid: "d53ada04-f7b8-440f-adbd-a2e1db345a30",
        cases: &["answered-call"],
        status: 200,
    },
    Told {
        name: "line group call",
        function: "group-call-event",
        sid: "ecd9663b7d814680a711dff9605f7e17",
        cases: &[
            "standup-1-room-starts",
            "standup-2-second-participant-joins",
            "standup-3-third-participant-joins",
            "standup-4-media-changes-to-video",
            "standup-5-participant-leaves",
            "standup-6-participant-times-out",
            "standup-7-room-ends",
        ],
        status: 200,
    },
    Told {
        name: "line agent call",
        function: "agent-call-status",
        sid: "b2c6b76a-8931-47fa-a893-784c2fbc4fa4",
        cases: &["agent-call-reaches-callee"],
        status: 200,
    },
    Told {
        name: "tencent one-to-one call",
        function: "tencent-call-event",
        sid: "example-current-one-to-one",
        cases: &[
            "current-one-to-one-1-starts",
            "current-one-to-one-2-callee-accepts",
            "current-one-to-one-3-callee-hangs-up",
            "current-one-to-one-4-ends",
        ],
        status: 200,
    },
    Told {
        name: "tencent one-to-one call, older generation",
        function: "tencent-call-event",
        sid: "example-old-one-to-one",
        cases: &[
            "old-one-to-one-1-caller-starts",
            "old-one-to-one-2-callee-receives",
            "old-one-to-one-3-callee-accepts",
            "old-one-to-one-4-caller-learns-of-it",
            "old-one-to-one-5-caller-ends",
            "old-one-to-one-6-callee-ends",
        ],
        status: 200,
    },
    Told {
        name: "tencent group call",
        function: "tencent-call-event",
        sid: "example-current-group-call",
        cases: &[
            "current-group-1-starts",
            "current-group-2-bob-accepts",
            "current-group-3-carol-rejects",
            "current-group-4-dave-does-not-answer",
            "current-group-5-erin-joins",
            "current-group-6-erin-goes-offline",
            "current-group-7-bob-hangs-up",
            "current-group-8-ends",
        ],
        status: 200,
    },
    Told {
        name: "tencent group call, older generation",
        function: "tencent-call-event",
        sid: "example-old-group-call",
        cases: &[
            "old-group-1-caller-starts",
            "old-group-2-bob-receives",
            "old-group-3-carol-receives",
            "old-group-4-dave-receives",
            "old-group-5-bob-accepts",
            "old-group-6-carol-rejects",
            "old-group-7-dave-does-not-answer",
            "old-group-8-bob-ends",
            "old-group-9-caller-ends",
        ],
        status: 200,
    },
    Told {
        name: "wrong token",
        function: "notify",
        // Nothing is read of it but the token: each request guesses another one.
        sid: "another-token-that-nobody-gave-out",
        cases: &["wrong-token"],
        status: 404,
    },
];

/// What one callback of a call uses, on average over the call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Callbacks that tell the call.
    pub callbacks: usize,
    /// Environments of the function, which have the callbacks in turns.
    pub environments: usize,
    /// `PutItem` requests.
    pub puts: f64,
    /// Write request units of these.
    pub write_units: f64,
    /// Items that stay in the table.
    pub stored_items: f64,
    /// Their bytes.
    pub stored_bytes: f64,
    /// Messages published.
    pub publishes: f64,
    /// Bytes of the requests that publish, which hold the message and its attributes and more.
    pub published_bytes: f64,
    /// Bytes of the answer to the vendor, as the function gives it to Lambda.
    pub answer_bytes: f64,
    /// What the function prints.
    pub log: Printed,
    /// What it prints when `AWS_LAMBDA_LOG_LEVEL` is `WARN`.
    pub log_at_warn: Printed,
}

/// Lines of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Printed {
    /// How many.
    pub lines: f64,
    /// Their bytes, without the ends of the lines.
    pub bytes: f64,
}

/// A kind of call and what its callbacks use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Which.
    pub name: String,
    /// The function that its callbacks come to.
    pub function: String,
    /// With one environment, and with two in turns where the call has several callbacks.
    pub usage: Vec<Usage>,
}

/// The times of a function that cost something, in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// INIT, median.
    pub init_ms: f64,
    /// The first callback, median.
    pub first_ms: f64,
    /// A warm callback with a whole core, median.
    pub warm_ms: f64,
    /// The same when it is held to 7 % of a core; nothing where that was not measured.
    pub warm_held_ms: Option<f64>,
    /// Memory in use after all callbacks.
    pub resident_bytes: u64,
}

/// What `deployment/cost.py` reads.
#[derive(Clone, Debug, Serialize)]
pub struct Figured<'a> {
    command: &'a str,
    date: &'a str,
    functions: BTreeMap<&'a str, Times>,
    calls: &'a [Call],
    replay: Option<&'a Replay>,
}

/// Plays every kind of call.
///
/// # Errors
/// [`BenchError`] when a callback is not answered as it is to be, or a function asks for what nobody expects.
pub fn run(ground: &Ground<'_>) -> Result<Vec<Call>, BenchError> {
    TOLD.iter()
        .map(|told| {
            let at_most = told.cases.len().min(2);
            let usage = (1..=at_most).map(|environments| told.usage(ground, environments)).collect::<Result<_, _>>()?;
            Ok(Call { name: told.name.to_owned(), function: told.function.to_owned(), usage })
        })
        .collect()
}

/// What a run found out that costs something; `None` when it did not look.
pub fn figured(results: &Results) -> Option<Figured<'_>> {
    let calls = results.usage.as_deref()?;
    Some(Figured {
        command: &results.command,
        date: &results.machine.date,
        functions: results.functions().map(|figures| (figures.name.as_str(), times(figures, &results.held))).collect(),
        calls,
        replay: results.replay.as_ref(),
    })
}

fn times(figures: &Figures, held: &Held) -> Times {
    let held = match held {
        Held::Measured(all) => all.iter().find(|held| held.name == figures.name && held.trouble.is_none()),
        Held::Impossible(_) | Held::Skipped => None,
    };
    Times {
        init_ms: figures.init.p50,
        first_ms: figures.first.p50,
        warm_ms: figures.warm.p50,
        warm_held_ms: held.map(|held| held.warm.p50),
        resident_bytes: figures.resident_bytes,
    }
}

impl Told {
    fn usage(&self, ground: &Ground<'_>, environments: usize) -> Result<Usage, BenchError> {
        let quiet = self.play(ground, environments, "WARN")?;
        let usage = self.play(ground, environments, "INFO")?;
        Ok(Usage { log_at_warn: quiet.log, ..usage })
    }

    fn play(&self, ground: &Ground<'_>, environments: usize, level: &str) -> Result<Usage, BenchError> {
        let aws = Arc::new(Aws::default());
        let stub = AwsStub::start(Arc::clone(&aws) as Arc<_>)?;
        let mut subject = (ground.subject)(self.function, &stub)?;
        subject.environment.insert("AWS_LAMBDA_LOG_LEVEL".to_owned(), level.into());
        let cases = self.cases.iter().map(|case| self.event(ground.events, case)).collect::<Result<Vec<_>, _>>()?;
        let started = (0..environments).map(|number| Environment::start(&subject, number, ground));
        let started = started.collect::<Result<Vec<_>, _>>()?;
        let mut turns = started.iter().cycle();
        let mut call = |number: u64| -> Result<usize, BenchError> {
            let sid = self.other_sid(number);
            let answered = cases.iter().zip(&mut turns).map(|(event, environment)| {
                let answer = environment.running.invoke(event.replace(self.sid, &sid).as_bytes(), PATIENCE)?.body;
                self.look_at(&answer).map(|()| answer.len())
            });
            answered.sum()
        };
        for number in 0..WARM_UP {
            call(number)?;
        }
        let before = aws.used();
        let printed_before = all_printed(&started)?;
        let answered = (WARM_UP..WARM_UP + CALLS).map(call).sum::<Result<usize, _>>()?;
        let used = aws.used().since(before);
        let printed = all_printed(&started)?;
        if used.counts.unexpected > 0 || stub.trouble().is_some() {
            return Err(self.wrong(format!("{:?}, {:?}", used.counts, stub.trouble())));
        }
        let callbacks = CALLS * self.cases.len() as u64;
        let of_each = |all: u64| all as f64 / callbacks as f64;
        Ok(Usage {
            callbacks: self.cases.len(),
            environments,
            puts: of_each(used.counts.requests - used.counts.published),
            write_units: of_each(used.counts.capacity),
            stored_items: of_each(used.items),
            stored_bytes: of_each(used.item_bytes),
            publishes: of_each(used.counts.published),
            published_bytes: of_each(used.published_bytes),
            answer_bytes: of_each(answered as u64),
            log: Printed { lines: of_each(printed.0 - printed_before.0), bytes: of_each(printed.1 - printed_before.1) },
            log_at_warn: Printed::default(),
        })
    }

    /// As Lambda hands it over: without the spaces that are for people.
    fn event(&self, events: &Path, case: &str) -> Result<String, BenchError> {
        let path = events.join(self.function).join(format!("{case}.json"));
        let event = sample::json(&path)?.to_string();
        let has_another_sid = || BenchError::Unreadable { path, what: format!("it does not tell of {}", self.sid) };
        event.contains(self.sid).then_some(event).ok_or_else(has_another_sid)
    }

    /// Of the same length and form.
    fn other_sid(&self, number: u64) -> String {
        let stem = self.sid.get(..self.sid.len().saturating_sub(DIGITS)).unwrap_or_default();
        format!("{stem}{number:0DIGITS$}")
    }

    fn look_at(&self, answer: &[u8]) -> Result<(), BenchError> {
        let read: Value = serde_json::from_slice(answer).unwrap_or_default();
        let body = read.get("body").and_then(Value::as_str).unwrap_or_default();
        let unlike = ["deferred", "duplicate", "ignored"].iter().any(|word| body.contains(word));
        if read.get("statusCode").and_then(Value::as_u64) == Some(self.status) && !unlike {
            return Ok(());
        }
        Err(self.wrong(format!("it answered {read}")))
    }

    fn wrong(&self, what: String) -> BenchError {
        BenchError::Wrong { subject: format!("{} of {}", self.function, self.name), what }
    }
}

/// A function's process and its log.
struct Environment {
    running: Running,
    log: PathBuf,
}

impl Environment {
    fn start(subject: &Subject, number: usize, ground: &Ground<'_>) -> Result<Self, BenchError> {
        let log = subject.log.with_extension(format!("usage-{number}.log"));
        let mut running = Subject { log: log.clone(), ..subject.clone() }.start(ground.cores)?;
        running.wait_for_init(PATIENCE)?;
        Ok(Self { running, log })
    }
}

/// Lines and bytes that environments have printed so far.
fn all_printed(environments: &[Environment]) -> Result<(u64, u64), BenchError> {
    let mut all = (0, 0);
    for Environment { log, .. } in environments {
        let printed = printed(log)?;
        all = (all.0 + printed.0, all.1 + printed.1);
    }
    Ok(all)
}

/// Lines of a log and bytes in them.
pub(crate) fn printed(log: &Path) -> Result<(u64, u64), BenchError> {
    let text = fs::read(log).map_err(BenchError::io(format!("read {}", log.display())))?;
    let lines = text.iter().filter(|byte| **byte == b'\n').count() as u64;
    Ok((lines, text.len() as u64 - lines))
}

/// The table, and SNS with a scale.
#[derive(Default)]
struct Aws {
    table: Table,
    published_bytes: AtomicU64,
}

#[derive(Clone, Copy)]
struct Used {
    counts: Counts,
    items: u64,
    item_bytes: u64,
    published_bytes: u64,
}

impl Aws {
    fn used(&self) -> Used {
        Used {
            counts: self.table.counts(),
            items: self.table.len() as u64,
            item_bytes: self.table.bytes() as u64,
            published_bytes: self.published_bytes.load(Ordering::SeqCst),
        }
    }
}

impl Used {
    fn since(self, earlier: Self) -> Self {
        Self {
            counts: self.counts.since(earlier.counts),
            items: self.items - earlier.items,
            item_bytes: self.item_bytes - earlier.item_bytes,
            published_bytes: self.published_bytes - earlier.published_bytes,
        }
    }
}

impl Service for Aws {
    fn answer(&self, request: &AwsRequest) -> Reply {
        if request.target.is_none() {
            self.published_bytes.fetch_add(request.body.len() as u64, Ordering::SeqCst);
        }
        self.table.answer(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::example;

    fn events() -> PathBuf {
        ringback_cases::write().unwrap()
    }

    #[test]
    fn every_call_is_told_by_events_that_are_there_and_of_one_session() {
        for told in TOLD {
            for case in told.cases {
                let event = told.event(&events(), case).unwrap();
                let other = event.replace(told.sid, &told.other_sid(7));
                assert!(!other.contains(told.sid) && other.len() == event.len(), "{case}");
                assert!(other.contains("0000000007"), "{case}");
            }
        }
    }

    #[test]
    fn events_are_answered_as_the_samples_expect() {
        let expected = sample::json(&events().join("expected.json")).unwrap();
        for told in TOLD {
            for case in told.cases {
                assert_eq!(expected[format!("{}/{case}", told.function)]["status"], told.status, "{case}");
            }
        }
    }

    #[test]
    fn an_answer_that_spares_the_function_its_work_is_none_to_count() {
        let told = TOLD[1];
        let answer = |status: u64, word: &str| {
            let body = format!(r#"{{"result":"{word}"}}"#);
            told.look_at(serde_json::json!({ "statusCode": status, "body": body }).to_string().as_bytes())
        };
        assert!(answer(200, "recorded").is_ok());
        for (status, word) in [(503, "recorded"), (200, "duplicate"), (200, "deferred"), (200, "ignored")] {
            let said = answer(status, word).unwrap_err().to_string();
            assert!(said.contains("call-event of line one-to-one call"), "{said}");
        }
    }

    #[test]
    fn a_log_has_as_many_bytes_as_its_lines_without_their_ends() {
        let log = std::env::temp_dir().join(format!("ringback-bench-{}-printed.log", std::process::id()));
        fs::write(&log, "ab\nc\n\n").unwrap();
        assert_eq!(printed(&log).unwrap(), (3, 3));
        fs::remove_file(&log).unwrap();
        assert!(printed(&log).is_err());
    }

    #[test]
    fn figures_come_with_the_times_that_were_measured_and_none_without_usage() {
        let mut results = example();
        assert!(figured(&results).is_none());
        results.usage = Some(vec![Call {
            name: "line one-to-one call".to_owned(),
            function: "call-event".to_owned(),
            usage: vec![Usage { callbacks: 1, environments: 1, puts: 2.0, ..Usage::default() }],
        }]);
        let written = serde_json::to_value(figured(&results).unwrap()).unwrap();
        assert_eq!(written["functions"]["call-event"]["warm_held_ms"], 0.5);
        // It was not among those that were held.
        assert_eq!(written["functions"]["notify"]["warm_held_ms"], Value::Null);
        assert_eq!(written["calls"][0]["usage"][0]["puts"], 2.0);
        let names: Vec<&String> = written["functions"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["call-event", "notify"]);
    }
}
