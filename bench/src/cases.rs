//! The callbacks that are played: what `ringback-cases` writes to `target/cases`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Digits at the end of a session id that tell one call from another. A UUID stays one.
const DIGITS: usize = 10;

/// The folder of the cases.
#[derive(Clone, Debug)]
pub struct Cases(PathBuf);

/// A kind of call that is measured: the callbacks of a whole call that come to one function.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub title: &'static str,
    pub function: &'static str,
    /// The whole call, as `calls.json` names it.
    pub name: &'static str,
}

/// A row of the page for each. [`crate::subject`] measures a function by its first.
#[rustfmt::skip]
pub const CALLS: [Call; 9] = [
    Call { title: "line incoming call", function: "notify", name: "bob-answers" },
    Call { title: "line one-to-one call", function: "call-event", name: "bob-answers" },
    Call { title: "line group call", function: "group-call-event", name: "stand-up" },
    Call { title: "line agent call", function: "agent-call-status", name: "the-server-calls-bob" },
    Call { title: "tencent one-to-one call", function: TENCENT, name: CURRENT },
    Call { title: "tencent one-to-one call, older generation", function: TENCENT, name: OLDER },
    Call { title: "tencent group call", function: TENCENT, name: "current-group" },
    Call { title: "tencent group call, older generation", function: TENCENT, name: "older-group" },
    Call { title: "wrong token", function: "notify", name: "strangers-are-refused" },
];
const TENCENT: &str = "tencent-call-event";
const CURRENT: &str = "tencent-current-one-to-one";
const OLDER: &str = "tencent-older-one-to-one";

#[derive(Deserialize)]
struct WholeCall {
    name: String,
    steps: Vec<Callback>,
}

/// A callback of a call, from which those of other calls are made.
#[derive(Clone, Debug, Deserialize)]
pub struct Callback {
    function: String,
    pub event: Value,
    /// What it is answered with.
    pub status: u64,
}

impl Cases {
    pub fn of(repository: &Path) -> Self {
        Self(repository.join("target/cases"))
    }

    pub fn event(&self, function: &str, case: &str) -> Result<Value> {
        self.read(&format!("{function}/{case}.json"))
    }

    /// Every case of a function, with what must become of it.
    pub fn expected(&self, function: &str) -> Result<BTreeMap<String, Value>> {
        let expected: BTreeMap<String, Value> = self.read("expected.json")?;
        let of_function = |(name, case): (String, Value)| {
            Some((name.strip_prefix(function)?.strip_prefix('/')?.to_owned(), case))
        };
        Ok(expected.into_iter().filter_map(of_function).collect())
    }

    /// The callbacks of a call in their order.
    pub fn call(&self, function: &str, name: &str) -> Result<Vec<Callback>> {
        let calls: Vec<WholeCall> = self.read("calls.json")?;
        let call = calls.into_iter().find(|call| call.name == name);
        let mut callbacks = call.with_context(|| format!("there is no call {name}"))?.steps;
        callbacks.retain(|callback| callback.function == function);
        Ok(callbacks)
    }

    fn read<T: DeserializeOwned>(&self, file: &str) -> Result<T> {
        let path = self.0.join(file);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    }
}

impl Callback {
    /// The same callback in the call of a number, as long as this one.
    pub fn of_call(&self, number: u64) -> Result<String> {
        let id = self.id().context("no session id")?;
        let stem = id.get(..id.len().saturating_sub(DIGITS)).context("a session id that is too short")?;
        Ok(self.event.to_string().replace(&id, &format!("{stem}{number:0DIGITS$}")))
    }

    /// The session id. Of a guessed token nothing else is read: each request guesses another.
    fn id(&self) -> Option<String> {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        if self.status == 404 {
            return text(self.event.pointer("/pathParameters/token"));
        }
        let query = text(self.event.get("rawQueryString")).unwrap_or_default();
        let sid = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "sid");
        sid.map(|(_, sid)| sid.into_owned()).or_else(|| {
            let body: Value = serde_json::from_str(&text(self.event.get("body"))?).ok()?;
            ["/CallId", "/CallInfo/CallId", "/CallRecord/CallId"].iter().find_map(|id| text(body.pointer(id)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_callback_of_a_call_can_be_made_one_of_another_call() {
        let cases = Cases::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
        let counts = CALLS.map(|call| {
            let callbacks = cases.call(call.function, call.name).unwrap();
            for callback in &callbacks {
                let other = callback.of_call(7).unwrap();
                assert!(other.contains("0000000007") && !other.contains(&callback.id().unwrap()), "{other}");
                assert_eq!(other.len(), callback.event.to_string().len());
            }
            callbacks.len()
        });
        assert_eq!(counts, [1, 1, 7, 1, 4, 6, 8, 9, 1]);
    }
}
