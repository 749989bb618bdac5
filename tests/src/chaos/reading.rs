//! What readers of calls see while project is killed, or its tables and topic fail.
//!
//! Callbacks go through the built functions into a table of the harness's own. Its stream goes to the built
//! project as Lambda hands it over: cut at random, and again from where a batch failed. After the fault the
//! lists, figures and news must be those of one clean pass.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ringback::aws::budget::Budget;
use ringback::aws::dynamodb::TableName;
use ringback::call::model::Arrival;
use ringback::history::plan::Plan;
use ringback::history::read::Span;
use ringback::history::read::dynamodb::{DynamoDbCalls, Tables};
use ringback::history::rebuild::{Rebuilder, Rebuilt};
use ringback::history::recount::differences;
use ringback::history::rows::Layout;
use ringback::history::stream::Batch;
use ringback::lambda::settings::Environment;
use serde_json::{Value, json};

use super::aftermath::{self, Replay};
use super::aws::Channel;
use super::{Sending, borrowed, callbacks, of_the_stack, vendors};
use crate::control_plane::{Function, Reply};
use crate::fault_proxy::{Fault, FaultProxy, Service};
use crate::stack::{address_of, aws, new_table, variable};

/// The SDK tries again for 5 s, and a batch makes several requests.
const PATIENCE: Duration = Duration::from_secs(60);
/// A trial that does not end is a failure.
const DEADLINE: Duration = Duration::from_secs(300);
/// The harness's own reading waits for a busy machine.
const UNHURRIED: Budget = Budget {
    connect: Duration::from_secs(5),
    attempt: Duration::from_secs(20),
    whole: Duration::from_secs(60),
};

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Nothing,
    /// SIGKILL in the middle of every other batch.
    Killed,
    /// Something is wrong with one of DynamoDB's operations.
    DynamoDb(Fault, &'static str),
    Sns(Fault),
}

/// One trial.
#[derive(Clone, Copy, Debug)]
pub struct ReadTrial {
    pub fault: &'static str,
    pub place: &'static str,
    trouble: Trouble,
}

/// Every trial. Rows are written by `BatchWriteItem`, and `UpdateItem` counts and adds to a person's stays.
pub fn all_trials() -> Vec<ReadTrial> {
    let trial = |fault, place, trouble| ReadTrial { fault, place, trouble };
    vec![
        trial("none", "", Trouble::Nothing),
        trial("SIGKILL", "project", Trouble::Killed),
        trial("throttles", "views", Trouble::DynamoDb(Fault::Throttles, "BatchWriteItem")),
        trial("flaps", "figures", Trouble::DynamoDb(Fault::Flaps, "UpdateItem")),
        trial("loses answers", "views", Trouble::DynamoDb(Fault::ResetsInMidAnswer, "BatchWriteItem")),
        trial("loses answers", "figures", Trouble::DynamoDb(Fault::ResetsInMidAnswer, "UpdateItem")),
        trial("loses answers", "SNS", Trouble::Sns(Fault::ResetsInMidAnswer)),
    ]
}

/// The result of a trial.
#[derive(Debug, Default)]
pub struct ReadRow {
    pub fault: &'static str,
    pub place: &'static str,
    /// Changes of the records table.
    pub changes: usize,
    /// Batches that were handed over, and those of them that failed or were killed.
    pub batches: usize,
    pub failed: usize,
    /// Messages that other systems got, and those of them that repeat another.
    pub news: usize,
    pub repeated: usize,
    /// Hours whose figures are not those of the calls.
    pub differences: usize,
    /// Rows that a rebuild had to put or delete.
    pub rebuilt: usize,
    /// News that are missing or that a clean pass would not have.
    pub wrong_news: usize,
    /// What else is wrong, in words.
    pub wrong: Vec<String>,
}

impl ReadRow {
    /// Whether everything is right.
    pub fn is_right(&self) -> bool {
        self.differences + self.rebuilt + self.wrong_news == 0 && self.wrong.is_empty()
    }
}

/// Runs trials one after the other.
pub struct ReadHarness {
    dynamodb: FaultProxy,
    sns: FaultProxy,
    sending: Sending,
}

/// The tables and topics of one trial.
struct Reading {
    records: String,
    views: String,
    figures: String,
    calls: Channel,
    spool: Channel,
    others: Channel,
}

impl Reading {
    fn create() -> Self {
        let channel = |name: &str| Channel::create(&format!("reading-{name}-{:08x}", fastrand::u32(..)));
        let records = new_table("records", "sid", "record");
        let stream = json!({
            "TableName": records,
            "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
        });
        dynamodb("UpdateTable", &stream);
        Self {
            records,
            views: new_table("views", "pk", "sk"),
            figures: new_table("figures", "pk", "sk"),
            calls: channel("calls"),
            spool: channel("spool"),
            others: channel("others"),
        }
    }

    fn variables(&self, dynamodb: String, sns: String) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb),
            ("AWS_ENDPOINT_URL_SNS", sns),
            ("RECORDS_TABLE", self.records.clone()),
            ("VIEWS_TABLE", self.views.clone()),
            ("FIGURES_TABLE", self.figures.clone()),
            ("CALLS_TOPIC_ARN", self.calls.topic.clone()),
            ("SPOOL_TOPIC_ARN", self.spool.topic.clone()),
            ("PUSH_JOBS_TOPIC_ARN", self.others.topic.clone()),
            ("DEAD_LETTERS_TOPIC_ARN", self.others.topic.clone()),
            ("TENCENT_CALLBACK_TOKEN", callbacks::SIGNING_TOKEN.to_owned()),
        ];
        variables.extend(of_the_stack());
        variables
    }

    fn healthy(&self) -> Vec<(&'static str, String)> {
        self.variables(variable("AWS_ENDPOINT_URL_DYNAMODB"), variable("AWS_ENDPOINT_URL_SNS"))
    }

    /// Everything that is in the stream, in order.
    fn stream(&self) -> Vec<Value> {
        let streams = ask_streams("ListStreams", &json!({ "TableName": self.records }));
        let stream = streams["Streams"][0]["StreamArn"].clone();
        let described = ask_streams("DescribeStream", &json!({ "StreamArn": stream }));
        let mut records = Vec::new();
        for shard in described["StreamDescription"]["Shards"].as_array().into_iter().flatten() {
            let first = json!({
                "StreamArn": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON",
            });
            let mut iterator = ask_streams("GetShardIterator", &first)["ShardIterator"].clone();
            // A shard that is still open has an iterator for ever, and at its end no records.
            while !iterator.is_null() {
                let read = ask_streams("GetRecords", &json!({ "ShardIterator": iterator, "Limit": 1_000 }));
                let found = read["Records"].as_array().cloned().unwrap_or_default();
                if found.is_empty() {
                    break;
                }
                records.extend(found);
                iterator = read["NextShardIterator"].clone();
            }
        }
        records
    }

    /// Differences of a recount, and what a rebuild did.
    fn judge(&self) -> (usize, Rebuilt) {
        let variables = self.healthy();
        let known = variables.clone();
        let environment = Environment::new(move |name| {
            known.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
        });
        let client = environment.aws().unwrap().dynamodb(UNHURRIED).client;
        let table = |name: &str| TableName::parse(name).unwrap();
        let (records, views) = (table(&self.records), table(&self.views));
        let tables = Tables { records: records.clone(), views: views.clone(), figures: table(&self.figures) };
        let layout = Layout::default();
        let reader = DynamoDbCalls::new(client.clone(), tables, layout.shards);
        let rebuilder = Rebuilder::new(client, records, views, layout);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let moment = |text: &str| ringback::history::read::days::begin_of(text).unwrap();
            // From the day before the stories until the end of today.
            let day = ringback::history::read::days::MILLISECONDS;
            let to = ringback::call::model::Moment::from_milliseconds((now().milliseconds / day + 1) * day);
            let span = Span { from: moment("2026-10-25"), to: to.unwrap() };
            let found = differences(&reader, span, now()).await.unwrap();
            (found.len(), rebuilder.all(now(), |_| {}).await.unwrap())
        })
    }
}

fn now() -> Arrival {
    ringback::lambda::now()
}

fn dynamodb(action: &str, body: &Value) -> Value {
    aws("AWS_ENDPOINT_URL_DYNAMODB", &format!("DynamoDB_20120810.{action}"), "1.0", body)
}

fn ask_streams(action: &str, body: &Value) -> Value {
    aws("AWS_ENDPOINT_URL_DYNAMODB", &format!("DynamoDBStreams_20120810.{action}"), "1.0", body)
}

impl ReadHarness {
    /// A harness on the running stack.
    pub fn new(sending: Sending) -> Self {
        let proxy = |service, endpoint: &str| FaultProxy::start(service, address_of(&variable(endpoint)));
        Self {
            dynamodb: proxy(Service::DynamoDb, "AWS_ENDPOINT_URL_DYNAMODB"),
            sns: proxy(Service::Sns, "AWS_ENDPOINT_URL_SNS"),
            sending,
        }
    }

    /// One trial with at least so many callbacks.
    pub fn run(&self, trial: ReadTrial, count: usize) -> ReadRow {
        let reading = Reading::create();
        let (callbacks, _) = callbacks::generate(count);
        vendors::send(&self.sending, &callbacks, &callbacks::token(), &borrowed(&reading.healthy()), false);
        // What came too fast for the emulator waits in the spool.
        let (_, wrong) = aftermath::replay(&reading.spool, &borrowed(&reading.healthy()), Replay::All);
        let records = reading.stream();
        let mut row = ReadRow {
            fault: trial.fault,
            place: trial.place,
            changes: records.len(),
            wrong,
            ..ReadRow::default()
        };
        if records.is_empty() {
            row.wrong.push("the stream is empty".to_owned());
            return row;
        }
        self.feed(trial.trouble, &reading, &records, &mut row);
        let (_, odd) = aftermath::replay(&reading.spool, &borrowed(&reading.healthy()), Replay::All);
        row.wrong.extend(odd);

        let (differences, rebuilt) = reading.judge();
        row.differences = differences;
        row.rebuilt = rebuilt.put + rebuilt.deleted + rebuilt.unreadable;
        let told: Vec<String> = reading.calls.take_all().iter().map(|message| id(&message.body)).collect();
        let known: BTreeSet<&String> = told.iter().collect();
        row.news = told.len();
        row.repeated = told.len() - known.len();
        let batch = Batch::parse(&json!({ "Records": records, "shardId": "s" }).to_string()).unwrap();
        let plan = Plan::of(&batch, &Layout::default());
        let expected: BTreeSet<&String> = plan.news.iter().map(|news| &news.id).collect();
        row.wrong_news = known.symmetric_difference(&expected).count();
        row
    }

    /// Hands the stream to project while something is wrong. Halfway through it gets well again.
    fn feed(&self, trouble: Trouble, reading: &Reading, records: &[Value], row: &mut ReadRow) {
        match trouble {
            Trouble::DynamoDb(fault, operation) => self.dynamodb.set_for(fault, operation),
            Trouble::Sns(fault) => self.sns.set(fault),
            Trouble::Nothing | Trouble::Killed => {}
        }
        let struck = self.dynamodb.struck() + self.sns.struck();
        let variables = reading.variables(self.dynamodb.url(), self.sns.url());
        let mut function = Function::start("project", &borrowed(&variables));
        let began = Instant::now();
        let (mut done, mut is_well) = (0, false);
        while done < records.len() {
            if began.elapsed() > DEADLINE {
                row.wrong.push("it was not done in time".to_owned());
                break;
            }
            // A fault that nothing gets through lasts for some batches, others for half of the stream.
            if !is_well && (done * 2 > records.len() || row.failed >= 6) {
                self.dynamodb.set(Fault::None);
                self.sns.set(Fault::None);
                is_well = true;
            }
            let kills = matches!(trouble, Trouble::Killed) && !is_well && row.batches.is_multiple_of(2);
            let to = (done + fastrand::usize(1..=(records.len() / 8).clamp(2, 150))).min(records.len());
            let batch = records.get(done..to).unwrap_or_default();
            let event = json!({ "Records": batch, "shardId": "shardId-1" }).to_string();
            row.batches += 1;
            let handed = function.hand_over(&event);
            if kills {
                std::thread::sleep(Duration::from_millis(fastrand::u64(1..60)));
                function.kill();
                function = Function::start("project", &borrowed(&variables));
                row.failed += 1;
                continue;
            }
            match function.reply(handed, PATIENCE) {
                Reply::Response(..) => done = to,
                Reply::Failed(_) if !is_well => row.failed += 1,
                Reply::Failed(why) => {
                    row.wrong.push(format!("project failed without a fault: {why}"));
                    break;
                }
                Reply::Nothing => {
                    row.wrong.push("project did not answer".to_owned());
                    break;
                }
            }
        }
        let strikes = matches!(trouble, Trouble::DynamoDb(..) | Trouble::Sns(_));
        if strikes && self.dynamodb.struck() + self.sns.struck() == struck {
            row.wrong.push("the fault struck no request".to_owned());
        }
        if matches!(trouble, Trouble::Killed) && row.failed == 0 {
            row.wrong.push("project was never killed".to_owned());
        }
        self.dynamodb.set(Fault::None);
        self.sns.set(Fault::None);
    }

    /// Runs trials and prints each row on standard error.
    pub fn run_all(&self, trials: &[ReadTrial], count: usize) -> Vec<ReadRow> {
        let run = |trial: &ReadTrial| {
            let began = Instant::now();
            let row = self.run(*trial, count);
            let line = super::report::read_line(&row);
            eprintln!("{line}  ({:.1} s)", began.elapsed().as_secs_f64());
            for wrong in row.wrong.iter().take(20) {
                eprintln!("    {}", wrong.chars().take(600).collect::<String>());
            }
            row
        };
        trials.iter().map(run).collect()
    }
}

fn id(message: &str) -> String {
    let event: Value = serde_json::from_str(message).unwrap_or_default();
    event["id"].as_str().unwrap_or_default().to_owned()
}
