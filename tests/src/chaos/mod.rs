//! Everything fails, one thing after the other, and every callback answered with 200 must be on record once.
//!
//! The built functions run behind two [proxies](crate::fault_proxy), one in front of DynamoDB and one in
//! front of SNS. For each fault, `callbacks` makes up calls with a known end and `vendors` sends them. Then
//! the fault ends, and `aftermath` replays the spool and checks every record and push job.

mod aftermath;
mod aws;
mod callbacks;
pub mod reading;
pub mod report;
pub mod ringing;
mod vendors;

use std::time::{Duration, Instant};

use crate::fault_proxy::{Fault, FaultProxy, Service};
use crate::stack::{address_of, variable};
pub use aftermath::Found;
use aftermath::Replay;
use aws::Channel;
pub use vendors::Sending;

/// The longest that any answer may take.
pub const LONGEST_ANSWER: Duration = Duration::from_secs(2);

/// Where a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// DynamoDB alone.
    DynamoDb,
    /// SNS alone.
    Sns,
    /// DynamoDB and SNS at once.
    Both,
    /// The functions: SIGKILL in the middle of a request, while DynamoDB has this fault.
    Functions,
}

/// One trial.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// What goes wrong.
    pub fault: Fault,
    /// Where.
    pub place: Place,
}

/// The result of a trial.
#[derive(Debug, Default)]
pub struct Row {
    /// The fault in words.
    pub fault: &'static str,
    /// Where it was, in words.
    pub place: &'static str,
    /// Callbacks.
    pub callbacks: usize,
    /// Deliveries, Tencent's repeats among them.
    pub sent: usize,
    /// Deliveries answered 200, for Tencent with `ErrorCode` 0.
    pub answered: usize,
    /// Deliveries answered otherwise.
    pub refused: usize,
    /// Deliveries without an answer.
    pub unanswered: usize,
    /// The slowest answer.
    pub slowest: Duration,
    /// Messages in the spool.
    pub spooled: usize,
    /// What was found after the replay.
    pub found: Found,
}

impl Row {
    /// Whether everything is right.
    pub fn is_right(&self) -> bool {
        self.found.lost == 0
            && self.found.doubled == 0
            && self.found.wrong.is_empty()
            && self.slowest <= LONGEST_ANSWER
    }
}

/// A trial without a fault, then every fault for DynamoDB, for SNS and for both, then two trials with
/// SIGKILL.
pub fn all_trials() -> Vec<Trial> {
    let faults = [
        Fault::Refuses,
        Fault::Throttles,
        Fault::Answers500,
        Fault::Hangs,
        Fault::ResetsInMidAnswer,
        Fault::Flaps,
    ];
    let mut trials = vec![Trial { fault: Fault::None, place: Place::Both }];
    for fault in faults {
        trials.extend([Place::DynamoDb, Place::Sns, Place::Both].map(|place| Trial { fault, place }));
    }
    trials.extend([Fault::None, Fault::Flaps].map(|fault| Trial { fault, place: Place::Functions }));
    trials
}

/// Runs trials one after the other.
pub struct Harness {
    dynamodb: FaultProxy,
    sns: FaultProxy,
    push_jobs: Channel,
    spool: Channel,
    dead_letters: Channel,
    token: String,
    sending: Sending,
}

impl Harness {
    /// A harness on the running stack.
    pub fn new(sending: Sending) -> Self {
        let channel = |name: &str| Channel::create(&format!("chaos-{name}-{:08x}", fastrand::u32(..)));
        let proxy = |service, endpoint: &str| FaultProxy::start(service, address_of(&variable(endpoint)));
        Self {
            dynamodb: proxy(Service::DynamoDb, "AWS_ENDPOINT_URL_DYNAMODB"),
            sns: proxy(Service::Sns, "AWS_ENDPOINT_URL_SNS"),
            push_jobs: channel("push-jobs"),
            spool: channel("spool"),
            dead_letters: channel("dead-letters"),
            token: callbacks::token(),
            sending,
        }
    }

    fn variables(&self, dynamodb: String, sns: String) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb),
            ("AWS_ENDPOINT_URL_SNS", sns),
            ("PUSH_JOBS_TOPIC_ARN", self.push_jobs.topic.clone()),
            ("SPOOL_TOPIC_ARN", self.spool.topic.clone()),
            ("DEAD_LETTERS_TOPIC_ARN", self.dead_letters.topic.clone()),
            ("TENCENT_CALLBACK_TOKEN", callbacks::SIGNING_TOKEN.to_owned()),
            ("RECORDS_TABLE", variable("RECORDS_TABLE")),
        ];
        variables.extend(of_the_stack());

        variables
    }

    /// One trial with at least so many callbacks.
    pub fn run(&self, trial: Trial, count: usize) -> Row {
        let (callbacks, sessions) = callbacks::generate(count);
        let struck = |proxy: &FaultProxy| proxy.struck();
        let before = (struck(&self.dynamodb), struck(&self.sns));
        let (to_dynamodb, to_sns) = match trial.place {
            Place::DynamoDb | Place::Functions => (trial.fault, Fault::None),
            Place::Sns => (Fault::None, trial.fault),
            Place::Both => (trial.fault, trial.fault),
        };
        self.dynamodb.set(to_dynamodb);
        self.sns.set(to_sns);

        let kills = trial.place == Place::Functions;
        let behind_proxies = self.variables(self.dynamodb.url(), self.sns.url());
        let mut sending = self.sending.clone();
        for (function, instances) in &mut sending.instances {
            // A request that only waits is no load, and many can wait at once.
            *instances *= match (trial.fault, trial.place) {
                (Fault::Hangs, Place::Both) => 4,
                (Fault::Hangs, Place::DynamoDb) => 2,
                (Fault::Hangs, Place::Sns) if *function == "notify" => 4,
                _ => 1,
            };
        }
        let seen = vendors::send(&sending, &callbacks, &self.token, &borrowed(&behind_proxies), kills);

        let mut spooled = std::collections::HashSet::new();
        let mut wrong = Vec::new();
        if to_dynamodb == Fault::Throttles {
            // While the table still refuses, replay must not report any record as written.
            let (messages, odd) =
                aftermath::replay(&self.spool, &borrowed(&behind_proxies), Replay::Batches(4));
            spooled.extend(messages);
            wrong.extend(odd);
        }
        let faults = (struck(&self.dynamodb) - before.0, struck(&self.sns) - before.1);
        self.dynamodb.set(Fault::None);
        self.sns.set(Fault::None);
        let healthy = self.variables(variable("AWS_ENDPOINT_URL_DYNAMODB"), variable("AWS_ENDPOINT_URL_SNS"));
        let how = if kills { Replay::AllWhileKilled } else { Replay::All };
        let (messages, odd) = aftermath::replay(&self.spool, &borrowed(&healthy), how);
        spooled.extend(messages);
        wrong.extend(odd);

        for letter in self.dead_letters.take_all() {
            wrong.push(format!("a dead letter: {}: {}", letter.reason.unwrap_or_default(), letter.body));
        }
        // The proxy does not count the connections that it refuses.
        let counted = |fault| !matches!(fault, Fault::None | Fault::Refuses);
        if (counted(to_dynamodb) && faults.0 == 0) || (counted(to_sns) && faults.1 == 0) {
            wrong.push("the fault struck no request".to_owned());
        }
        let mut found = aftermath::look(&callbacks, &sessions, &seen, &self.push_jobs);
        let not_sent = seen.iter().filter(|seen| seen.is_empty()).count();
        if not_sent > 0 {
            wrong.push(format!("{not_sent} callbacks were not sent in time"));
        }
        let deliveries: Vec<_> = seen.iter().flatten().collect();
        wrong.extend(deliveries.iter().filter_map(|seen| seen.odd.clone()));
        let unanswered = deliveries.iter().filter(|seen| seen.taken.is_none()).count();
        if unanswered > 0 && !kills {
            wrong.push(format!("{unanswered} deliveries had no answer"));
        }
        found.wrong.extend(wrong);
        let answers = |taken| deliveries.iter().filter(|seen| seen.taken == Some(taken)).count();
        Row {
            fault: report::fault_in_words(trial),
            place: report::place_in_words(trial),
            callbacks: callbacks.len(),
            sent: deliveries.len(),
            answered: answers(true),
            refused: answers(false),
            unanswered,
            slowest: deliveries
                .iter()
                .filter(|seen| seen.taken.is_some())
                .map(|seen| seen.took)
                .max()
                .unwrap_or_default(),
            spooled: spooled.len(),
            found,
        }
    }

    /// Runs trials and prints each row on standard error.
    pub fn run_all(&self, trials: &[Trial], count: usize) -> Vec<Row> {
        let run = |trial: &Trial| {
            let began = Instant::now();
            let row = self.run(*trial, count);
            eprintln!("{}  ({:.1} s)", report::line(&row), began.elapsed().as_secs_f64());
            for wrong in row.found.wrong.iter().take(20) {
                eprintln!("    {}", wrong.chars().take(600).collect::<String>());
            }
            row
        };
        trials.iter().map(run).collect()
    }
}

/// The variables that each function takes from the running stack.
fn of_the_stack() -> [(&'static str, String); 7] {
    [
        "RETENTION_DAYS",
        "CALLBACK_TOKEN_SHA256",
        "LINE_SERVICE_IDS",
        "TENCENT_SDK_APP_IDS",
        "AWS_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ]
    .map(|name| (name, variable(name)))
}

fn borrowed<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
}
