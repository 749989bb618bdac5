//! A sample event, and as many others like it as are asked for: of other calls, so that each is new to the table.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::error::BenchError;

/// Digits at the end of a session id that tell one event from another. They are hexadecimal digits as well, so that a UUID stays one.
const DIGITS: usize = 10;

/// What a callback has to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// An event item and a call item: two requests to DynamoDB.
    Record,
    /// A push job: one request to SNS.
    Job,
    /// Nothing: the floor does not look at its events.
    Nothing,
}

/// A callback that is answered 200, as API Gateway hands it over.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What was around the session id, wherever it was.
    pieces: Vec<String>,
    /// The part of the session id that stays.
    stem: String,
    effect: Effect,
}

impl Sample {
    /// Reads `<function>/<case>.json`, whose session id is given, and what `expected.json` says that it becomes.
    ///
    /// # Errors
    /// [`BenchError`] when there is no such event, it has another session id, or it is not one that becomes something.
    pub fn read(events: &Path, function: &str, case: &str, sid: &str) -> Result<Self, BenchError> {
        let path = events.join(function).join(format!("{case}.json"));
        let unreadable = |what: &str| BenchError::Unreadable { path: path.clone(), what: what.to_owned() };
        let name = format!("{function}/{case}");
        let expected = json(&events.join("expected.json"))?;
        let expected = expected.get(&name).ok_or_else(|| unreadable("not in expected.json"))?;
        if expected.get("status").and_then(Value::as_u64) != Some(200) {
            return Err(unreadable("not answered 200"));
        }
        let effect = match expected.get("effect").and_then(Value::as_str) {
            Some("record") => Effect::Record,
            Some("job") => Effect::Job,
            _ => return Err(unreadable("has no effect")),
        };
        // As Lambda hands it over: without the spaces that are for people.
        let text = json(&path)?.to_string();
        let stem = sid.get(..sid.len().saturating_sub(DIGITS)).filter(|_| text.contains(sid));
        let stem = stem.ok_or_else(|| unreadable("has another session id"))?.to_owned();
        Ok(Self { pieces: text.split(sid).map(str::to_owned).collect(), stem, effect })
    }

    /// What each of its events becomes.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// The event of a call of its own; the same number gives the same event.
    pub fn event(&self, number: u64) -> Vec<u8> {
        self.pieces.join(&format!("{}{number:0DIGITS$}", self.stem)).into_bytes()
    }
}

/// A file of JSON.
pub(crate) fn json(path: &Path) -> Result<Value, BenchError> {
    let text = fs::read_to_string(path).map_err(BenchError::io(path.display().to_string()))?;
    serde_json::from_str(&text)
        .map_err(|error| BenchError::Unreadable { path: path.to_owned(), what: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::SAMPLES;

    #[test]
    fn every_sample_is_expected_to_do_something_and_its_events_differ_in_the_session_alone() {
        let events = ringback_cases::write().unwrap();
        for (function, case, sid) in SAMPLES {
            let sample = Sample::read(&events, function, case, sid).unwrap();
            let [one, other] = [1, 1_234_567_890].map(|number| String::from_utf8(sample.event(number)).unwrap());
            let stem = &sid[..sid.len() - DIGITS];
            assert_eq!(one.replace(&format!("{stem}0000000001"), ""), other.replace(&format!("{stem}1234567890"), ""));
            assert_ne!(one, other);
            assert!(!one.contains(sid) && one.len() == other.len(), "{function}");
            assert_eq!(sample.effect() == Effect::Job, function == "notify");
        }
    }

    #[test]
    fn a_sample_that_is_refused_cannot_be_measured() {
        let events = ringback_cases::write().unwrap();
        let refused = Sample::read(&events, "call-event", "wrong-token", "d53ada04-f7b8-440f-adbd-a2e1db345a30");
        assert!(refused.unwrap_err().to_string().contains("not answered 200"));
    }
}
