//! Calls ring phones while providers, DynamoDB or SNS fail, or functions are killed.
//!
//! Each callee has an iPhone and an Android phone. Every call must ring both of them or be refused, and no
//! phone may ring twice for a call.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::LONGEST_ANSWER;
use crate::control_plane::{Function, Reply};
use crate::fault_proxy::{self, FaultProxy, Service};
use crate::phones::{Fault, Phones, Strikes};
use crate::ringing::{self, Ringing, borrowed};
use crate::stack::{address_of, variable};

const CALLEES: usize = 10;
/// No function may take so long, and a hung one must not stop the harness.
const PATIENCE: Duration = Duration::from_secs(10);
/// After which a claim without a ring may be taken over, and a little more.
const TAKEOVER: Duration = Duration::from_millis(3_050);
const TURN: Duration = Duration::from_millis(50);

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Nothing,
    /// LINE sends each notify four times, all at once.
    Duplicates,
    /// Each callee has two dead phones too.
    DeadPhones,
    Pushes(Fault, Strikes),
    /// Something happens to all connections, again and again.
    Connections(fn(&Phones)),
    /// All connections die while the function is frozen before each notify.
    Freeze,
    DynamoDb(fault_proxy::Fault, &'static str),
    Sns(fault_proxy::Fault),
    /// SIGKILL in the middle of each notify, and LINE sends it again after 3 s.
    Killed,
}

/// One trial.
#[derive(Clone, Copy, Debug)]
pub struct RingTrial {
    pub fault: &'static str,
    pub place: &'static str,
    trouble: Trouble,
    /// Whether calls ring. Otherwise every call must be refused.
    rings: bool,
}

/// The result of a trial.
#[derive(Debug, Default)]
pub struct RingRow {
    pub fault: &'static str,
    pub place: &'static str,
    /// Deliveries, repeats among them.
    pub notifies: usize,
    /// Deliveries answered 200.
    pub answered: usize,
    /// Deliveries without an answer.
    pub unanswered: usize,
    /// Phones that rang, one for each call.
    pub rung: usize,
    /// Pushes of a call that a phone had already got, because the answer or the function was lost.
    pub pushed_again: usize,
    /// Phones that rang again for the same call.
    pub rung_twice: usize,
    /// Phones that did not ring for a call that was answered 200.
    pub not_rung: usize,
    /// Devices that are gone and were not dead.
    pub removed: usize,
    pub slowest: Duration,
    /// What else is wrong, in words.
    pub wrong: Vec<String>,
}

impl RingRow {
    /// Whether everything is right.
    pub fn is_right(&self) -> bool {
        self.rung_twice + self.not_rung + self.removed == 0
            && self.wrong.is_empty()
            && self.slowest <= LONGEST_ANSWER
    }
}

/// Every trial.
pub fn all_trials() -> Vec<RingTrial> {
    use fault_proxy::Fault::{Answers500, Hangs, Throttles};
    let providers = |fault, pushed, strikes, rings| RingTrial {
        fault,
        place: "APNs and FCM",
        trouble: Trouble::Pushes(pushed, strikes),
        rings,
    };
    let trial = |fault, place, trouble, rings| RingTrial { fault, place, trouble, rings };
    let late = |milliseconds| Fault::Late(Duration::from_millis(milliseconds));
    let busy = |status| Fault::Answer(status, "BUSY");
    vec![
        trial("none", "", Trouble::Nothing, true),
        trial("each notify four times at once", "LINE", Trouble::Duplicates, true),
        trial("two of four phones are dead", "devices", Trouble::DeadPhones, true),
        providers("answers after 0.7 s", late(700), Strikes::All, true),
        providers("does not answer", late(5_000), Strikes::All, true),
        providers("429, then well", busy(429), Strikes::First, true),
        providers("500, then well", busy(500), Strikes::First, true),
        providers("429", busy(429), Strikes::All, false),
        providers("503", busy(503), Strikes::All, false),
        providers("resets and loses the push", Fault::Reset, Strikes::First, true),
        providers("takes the push and resets", Fault::LostAnswer, Strikes::First, true),
        trial("GOAWAY every 50 ms", "APNs and FCM", Trouble::Connections(Phones::go_away), true),
        trial("closes every 50 ms", "APNs and FCM", Trouble::Connections(Phones::close), true),
        trial("connections die in a freeze", "functions", Trouble::Freeze, true),
        trial("guard throttled", "DynamoDB", Trouble::DynamoDb(Throttles, "PutItem"), true),
        trial("guard answers 500", "DynamoDB", Trouble::DynamoDb(Answers500, "PutItem"), true),
        trial("guard hangs", "DynamoDB", Trouble::DynamoDb(Hangs, "PutItem"), true),
        trial("registry throttled", "DynamoDB", Trouble::DynamoDb(Throttles, "Query"), false),
        trial("registry answers 500", "DynamoDB", Trouble::DynamoDb(Answers500, "Query"), false),
        trial("registry hangs", "DynamoDB", Trouble::DynamoDb(Hangs, "Query"), false),
        trial("hangs", "SNS", Trouble::Sns(Hangs), true),
        trial("SIGKILL, again after 3 s", "functions", Trouble::Killed, true),
    ]
}

/// What LINE saw of one delivery; `status` is `None` when there was no answer.
struct Seen {
    call: usize,
    status: Option<u64>,
    took: Duration,
}

/// Runs trials one after the other.
pub struct RingHarness {
    ringing: Ringing,
    dynamodb: FaultProxy,
    sns: FaultProxy,
    phones: BTreeSet<String>,
}

impl RingHarness {
    /// A harness on the running stack, with callees and their phones.
    pub fn new() -> Self {
        let ringing = Ringing::start();
        let mut phones = BTreeSet::new();
        for callee in 0..CALLEES {
            for (device, token) in phones_of(callee) {
                ringing.register("planetkit", &name(callee), device, &token);
                phones.insert(token);
            }
        }
        let proxy = |service, endpoint: &str| FaultProxy::start(service, address_of(&variable(endpoint)));
        Self {
            ringing,
            dynamodb: proxy(Service::DynamoDb, "AWS_ENDPOINT_URL_DYNAMODB"),
            sns: proxy(Service::Sns, "AWS_ENDPOINT_URL_SNS"),
            phones,
        }
    }

    /// One trial with so many calls.
    pub fn run(&self, trial: RingTrial, count: usize) -> RingRow {
        let run = format!("ring-{:08x}", fastrand::u32(..));
        let sids: Vec<String> = (0..count).map(|call| format!("{run}-{call}")).collect();
        self.dynamodb.set(fault_proxy::Fault::None);
        self.sns.set(fault_proxy::Fault::None);
        match trial.trouble {
            Trouble::Pushes(fault, strikes) => self.ringing.phones.from_now_on(Some((fault, strikes))),
            Trouble::DynamoDb(fault, operation) => self.dynamodb.set_for(fault, operation),
            Trouble::Sns(fault) => self.sns.set(fault),
            Trouble::DeadPhones => self.register_dead_phones(),
            _ => {}
        }
        let _ = std::fs::remove_file(self.ringing.log());
        let struck = self.dynamodb.struck() + self.sns.struck();
        let seen = self.send(trial.trouble, &sids);
        let struck = self.dynamodb.struck() + self.sns.struck() - struck;
        self.ringing.phones.from_now_on(None);

        let mut row = self.look(trial, &sids, &seen);
        if matches!(trial.trouble, Trouble::DynamoDb(..) | Trouble::Sns(_)) && struck == 0 {
            row.wrong.push("the fault struck no request".to_owned());
        }
        row
    }

    /// Runs trials and prints each row on standard error.
    pub fn run_all(&self, trials: &[RingTrial], count: usize) -> Vec<RingRow> {
        let run = |trial: &RingTrial| {
            let began = Instant::now();
            let row = self.run(*trial, count);
            eprintln!("{}  ({:.1} s)", super::report::ring_line(&row), began.elapsed().as_secs_f64());
            for wrong in row.wrong.iter().take(20) {
                eprintln!("    {wrong}");
            }
            row
        };
        trials.iter().map(run).collect()
    }

    /// What the functions of a trial logged.
    fn said(&self) -> Vec<Value> {
        let said = std::fs::read_to_string(self.ringing.log()).unwrap_or_default();
        said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// What they warned of.
    fn warnings(&self) -> BTreeSet<String> {
        let mut said = self.said();
        // Every function says once that it may be called from anywhere.
        said.retain(|line| line["level"] != "INFO" && !line.to_string().contains("source addresses"));
        let words = ["outcome", "reason", "message", "error"];
        said.iter().map(|line| words.map(|word| line[word].as_str().unwrap_or_default()).join(" ")).collect()
    }

    fn register_dead_phones(&self) {
        for callee in 0..CALLEES {
            for (device, token) in [("old", format!("dead{callee:04x}")), ("older", format!("dead:{callee}"))]
            {
                self.ringing.register("planetkit", &name(callee), device, &token);
            }
        }
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = self.ringing.variables();
        variables.retain(|(name, _)| !["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SNS"].contains(name));
        variables.extend([
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb.url()),
            ("AWS_ENDPOINT_URL_SNS", self.sns.url()),
        ]);
        variables
    }

    fn send(&self, trouble: Trouble, sids: &[String]) -> Vec<Seen> {
        let once: VecDeque<usize> = (0..sids.len()).collect();
        match trouble {
            Trouble::Duplicates => {
                let four_times = (0..sids.len()).flat_map(|call| [call; 4]).collect();
                self.deliver(trouble, sids, four_times)
            }
            Trouble::Freeze => {
                let few = (0..sids.len().div_ceil(4)).collect();
                self.deliver(trouble, sids, few)
            }
            Trouble::Killed => {
                let mut seen = self.deliver(trouble, sids, once.clone());
                thread::sleep(TAKEOVER);
                seen.extend(self.deliver(Trouble::Nothing, sids, once));
                seen
            }
            _ => self.deliver(trouble, sids, once),
        }
    }

    /// Delivers notifies to several instances at once. One instance takes one request at a time, as on
    /// Lambda.
    fn deliver(&self, trouble: Trouble, sids: &[String], calls: VecDeque<usize>) -> Vec<Seen> {
        let instances = match trouble {
            // What dies with a freeze must not be in use by another instance.
            Trouble::Freeze => 1,
            // A request that only waits is no load, and many can wait at once.
            Trouble::Pushes(Fault::Late(_), _) | Trouble::DynamoDb(..) | Trouble::Sns(_) => 10,
            _ => 4,
        };
        let variables = self.variables();
        let variables = borrowed(&variables);
        // Each reads its keys when it starts. Emulated SSM answers one after the other, so on a busy machine
        // all of them at once would wait for longer than INIT does.
        let starting = Mutex::new(());
        let start = || {
            let _turn = starting.lock().unwrap();
            let log = File::options().append(true).create(true).open(self.ringing.log()).unwrap();
            let function = Function::start_saying("notify", &variables, log.into(), Stdio::null());
            assert!(function.wait_until_it_asks(), "notify did not start");
            function
        };
        let (calls, seen, is_over) = (Mutex::new(calls), Mutex::new(Vec::new()), AtomicBool::new(false));
        // So many programs that start at once would keep the first notifies waiting.
        let all_ask = Barrier::new(instances);
        thread::scope(|scope| {
            if let Trouble::Connections(happens) = trouble {
                let (is_over, phones) = (&is_over, &self.ringing.phones);
                scope.spawn(move || {
                    while !is_over.load(Ordering::SeqCst) {
                        thread::sleep(TURN);
                        happens(phones);
                    }
                });
            }
            let running: Vec<_> = (0..instances)
                .map(|_| {
                    scope.spawn(|| {
                        let mut function = start();
                        all_ask.wait();
                        loop {
                            let next = calls.lock().unwrap().pop_front();
                            let Some(call) = next else { return };
                            if matches!(trouble, Trouble::Freeze) {
                                freeze(&function, &self.ringing.phones);
                            }
                            let event = ringing::incoming(&name(call % CALLEES), &sids[call]);
                            let (status, took) = invoke(&mut function, &event, trouble);
                            seen.lock().unwrap().push(Seen { call, status, took });
                            if !function.is_running() {
                                function = start();
                            }
                        }
                    })
                })
                .collect();
            let ended: Vec<_> = running.into_iter().map(thread::ScopedJoinHandle::join).collect();
            is_over.store(true, Ordering::SeqCst);
            assert!(ended.iter().all(Result::is_ok), "an instance ended early");
        });
        seen.into_inner().unwrap()
    }

    fn look(&self, trial: RingTrial, sids: &[String], seen: &[Seen]) -> RingRow {
        let mut rings: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for ring in self.ringing.rings().into_iter().filter(|ring| sids.contains(&ring.sid)) {
            rings.entry((ring.sid, ring.token)).or_default().push(ring.call);
        }
        let again: usize = rings.values().map(|calls| calls.len() - 1).sum();
        // A phone knows a call that it got again by its id. Where no answer is lost, nothing comes again.
        let is_lossy = matches!(
            trial.trouble,
            Trouble::Pushes(Fault::LostAnswer, _)
                | Trouble::Connections(_)
                | Trouble::Freeze
                | Trouble::Killed
        );
        let other_calls = |calls: &Vec<String>| calls.iter().collect::<BTreeSet<_>>().len() - 1;
        let rung_twice = if is_lossy { rings.values().map(other_calls).sum() } else { again };
        let left = self.ringing.registered();
        let mut row = RingRow {
            fault: trial.fault,
            place: trial.place,
            notifies: seen.len(),
            answered: seen.iter().filter(|seen| seen.status == Some(200)).count(),
            unanswered: seen.iter().filter(|seen| seen.status.is_none()).count(),
            rung: rings.len(),
            pushed_again: again,
            rung_twice,
            not_rung: 0,
            removed: self.phones.difference(&left).count(),
            slowest: seen.iter().map(|seen| seen.took).max().unwrap_or_default(),
            wrong: Vec::new(),
        };
        let told: BTreeSet<usize> =
            seen.iter().filter(|seen| seen.status == Some(200)).map(|seen| seen.call).collect();
        for call in &told {
            let silent = phones_of(call % CALLEES)
                .into_iter()
                .filter(|(_, token)| !rings.contains_key(&(sids[*call].clone(), token.clone())));
            row.not_rung += silent.count();
        }
        let sent: BTreeSet<usize> = seen.iter().map(|seen| seen.call).collect();
        // On a busy machine emulated AWS may be too slow for a call or two. LINE learns of it.
        let unread = self.said().iter().filter(|line| line["outcome"] == "registry_unreadable").count();
        let rang = !told.is_empty() && told.len() + unread >= sent.len();
        let is_expected = if trial.rings { rang } else { told.is_empty() };
        if !is_expected {
            row.wrong.push(format!("{} of {} calls were answered 200", told.len(), sent.len()));
        }
        if !trial.rings && row.rung > 0 {
            row.wrong.push("phones rang for calls that were refused".to_owned());
        }
        if row.unanswered > 0 && !matches!(trial.trouble, Trouble::Killed) {
            row.wrong.push(format!("{} notifies had no answer", row.unanswered));
        }
        if left.len() > self.phones.len() {
            row.wrong.push("dead devices are still registered".to_owned());
        }
        let odd = |seen: &&Seen| !matches!(seen.status, None | Some(200 | 503));
        row.wrong.extend(seen.iter().filter(odd).map(|seen| format!("answered {:?}", seen.status)));
        if !row.is_right() {
            row.wrong.extend(self.warnings());
        }
        row
    }
}

impl Default for RingHarness {
    fn default() -> Self {
        Self::new()
    }
}

fn name(callee: usize) -> String {
    format!("callee-{callee}")
}

fn phones_of(callee: usize) -> [(&'static str, String); 2] {
    [("iphone", format!("aa{callee:04x}")), ("android", format!("c:{callee}"))]
}

/// The status, and the time from the event to the answer.
fn invoke(function: &mut Function, event: &str, trouble: Trouble) -> (Option<u64>, Duration) {
    let handed = function.hand_over(event);
    let reply = if matches!(trouble, Trouble::Killed) {
        // From before the claim to after the ring, as far as these take here.
        match function.reply(handed, Duration::from_micros(fastrand::u64(0..40_000))) {
            Reply::Nothing => {
                function.kill();
                function.reply(handed, Duration::from_millis(20))
            }
            reply => reply,
        }
    } else {
        function.reply(handed, PATIENCE)
    };
    match reply {
        Reply::Response(response, took) => (response["statusCode"].as_u64(), took),
        Reply::Failed(_) => (Some(500), handed.elapsed()),
        Reply::Nothing => (None, Duration::ZERO),
    }
}

/// Lambda freezes an environment between requests, and networks forget its connections.
fn freeze(function: &Function, phones: &Phones) {
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &function.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()));
    };
    signal("-STOP");
    phones.mute();
    thread::sleep(TURN);
    signal("-CONT");
}
