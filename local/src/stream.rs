//! Feeds functions from the streams of tables, as Lambda's event source mappings do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::emulator::Emulator;
use crate::error::StackError;
use crate::gateway::{Gateway, Reply};
use crate::processes::Processes;
use crate::template::{Function, Stream};

/// How long changes are collected. On AWS it is `MaximumBatchingWindowInSeconds`, a second. A batch writes
/// each row once, and the emulator has the callbacks to serve, too.
const WINDOW: Duration = Duration::from_millis(500);
/// Before a batch that failed comes again, and longer each time.
const PAUSE: Duration = Duration::from_millis(100);
/// As `MaximumRetryAttempts` in template.yaml.
const TRIES: u32 = 10;

/// The reading of the streams: how far it is, and whether it waits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feed {
    /// How often nothing new was found.
    idle_looks: Arc<AtomicU64>,
    is_held: Arc<AtomicBool>,
}

impl Feed {
    /// A feed that hands over nothing yet.
    pub(crate) fn held() -> Self {
        let feed = Self::default();
        feed.is_held.store(true, Ordering::SeqCst);
        feed
    }

    /// Hands over all that is in the streams now, and returns when that is done, or after so long.
    pub(crate) fn catch_up(&self, longest: Duration) {
        self.is_held.store(false, Ordering::SeqCst);
        let looks = || self.idle_looks.load(Ordering::SeqCst);
        let (began, known) = (Instant::now(), looks());
        // A look that is under way may have begun before the last change.
        while looks() < known + 2 && began.elapsed() < longest {
            sleep(Duration::from_millis(20));
        }
    }
}

/// Reads the streams of the functions, from their beginning, until the stack stops.
pub(crate) fn start(
    feed: &Feed,
    functions: &[Function],
    emulator: &Emulator,
    gateway: &Arc<Gateway>,
    processes: &Processes,
) {
    for function in functions {
        for stream in function.streams.clone() {
            let reader = Reader {
                function: function.name.clone(),
                stream,
                emulator: emulator.clone(),
                gateway: Arc::clone(gateway),
                processes: processes.clone(),
                feed: feed.clone(),
            };
            spawn(move || reader.read());
        }
    }
}

struct Reader {
    function: String,
    stream: Stream,
    emulator: Emulator,
    gateway: Arc<Gateway>,
    processes: Processes,
    feed: Feed,
}

impl Reader {
    fn read(&self) {
        let mut iterators = BTreeMap::new();
        let mut failures = 0;
        while !self.processes.are_stopping() {
            if self.feed.is_held.load(Ordering::SeqCst) {
                sleep(WINDOW);
                continue;
            }
            match self.read_once(&mut iterators) {
                Ok(0) => {
                    self.feed.idle_looks.fetch_add(1, Ordering::SeqCst);
                    failures = 0;
                }
                Ok(found) if found >= usize::from(self.stream.batch_size) => continue,
                Ok(_) => failures = 0,
                // An emulator that does not answer once is ending, or is busy for a moment.
                Err(error) => {
                    failures += 1;
                    if failures == 2 && !self.processes.are_stopping() {
                        eprintln!("{}: the stream cannot be read: {error}", self.function);
                    }
                }
            }
            sleep(WINDOW);
        }
    }

    /// One look at each shard. A shard that has ended has no iterator any more, but stays known.
    fn read_once(&self, iterators: &mut BTreeMap<String, Option<String>>) -> Result<usize, StackError> {
        let mut found = 0;
        let stream = self.emulator.stream_of(&self.stream.table)?;
        for shard in self.emulator.shards(&stream)? {
            if !iterators.contains_key(&shard) {
                let first = self.emulator.first_iterator(&stream, &shard)?;
                iterators.insert(shard.clone(), Some(first));
            }
            let Some(Some(iterator)) = iterators.get(&shard) else { continue };
            let read = self.emulator.records(iterator, self.stream.batch_size);
            // DynamoDB Local refuses an iterator that it gave for an empty shard. From its beginning again, a
            // shard has some changes twice, which a stream may do.
            let (records, next) = read.inspect_err(|_| drop(iterators.remove(&shard)))?;
            found += records.len();
            self.hand_over(&shard, records);
            iterators.insert(shard, next);
        }
        Ok(found)
    }

    /// Hands over a batch until nothing of it is left, or it was tried too often.
    fn hand_over(&self, shard: &str, mut records: Vec<Value>) {
        for attempt in 0..TRIES {
            if records.is_empty() || self.processes.are_stopping() {
                return;
            }
            sleep(PAUSE * attempt);
            let event = json!({ "Records": records, "shardId": shard }).to_string();
            let Reply::Response(answer) = self.gateway.invoke(&self.function, event.into_bytes()) else {
                continue;
            };
            let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
            let Some(number) = first_failure(&answer) else { return };
            let failed = records.iter().position(|record| sequence_number(record) == number);
            records.drain(..failed.unwrap_or(0));
        }
        eprintln!("{}: {} changes were tried {TRIES} times and left out", self.function, records.len());
    }
}

/// From which change on a batch is to come again.
fn first_failure(answer: &Value) -> Option<&str> {
    answer.get("batchItemFailures")?.get(0)?.get("itemIdentifier")?.as_str()
}

fn sequence_number(record: &Value) -> &str {
    record.pointer("/dynamodb/SequenceNumber").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_comes_again_from_the_change_that_failed() {
        let answer = json!({ "batchItemFailures": [{ "itemIdentifier": "12" }] });
        assert_eq!(first_failure(&answer), Some("12"));
        assert_eq!(first_failure(&json!({ "batchItemFailures": [] })), None);
        assert_eq!(sequence_number(&json!({ "dynamodb": { "SequenceNumber": "12" } })), "12");
    }
}
