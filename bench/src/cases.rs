//! The cases that are played: whole API Gateway events, and whole calls made of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Where `<function>/<case>.json` and `expected.json` are, in the repository.
const FOLDER: &str = "target/cases";
/// Digits at the end of a session id that tell one call from another. A UUID stays one.
const DIGITS: usize = 10;

/// The folder of the cases.
#[derive(Clone, Debug)]
pub struct Cases(PathBuf);

impl Cases {
    pub fn of(repository: &Path) -> Self {
        Self(repository.join(FOLDER))
    }

    /// The event of a case, as Lambda hands it over: without the spaces that are for people.
    pub fn event(&self, function: &str, case: &str) -> Result<Value> {
        json(&self.0.join(function).join(case).with_extension("json"))
    }

    /// Every case of a function, with what must become of it.
    pub fn expected(&self, function: &str) -> Result<BTreeMap<String, Value>> {
        let expected: BTreeMap<String, Value> = serde_json::from_value(json(&self.0.join("expected.json"))?)?;
        let of_function = |(name, case): (String, Value)| {
            Some((name.strip_prefix(function)?.strip_prefix('/')?.to_owned(), case))
        };
        Ok(expected.into_iter().filter_map(of_function).collect())
    }

    /// Every case of a call, in its order.
    pub fn call(&self, call: &Call) -> Result<Vec<(String, Case)>> {
        let mut names: Vec<String> = self.expected(call.function)?.into_keys().collect();
        names.retain(|name| {
            if call.cases.ends_with('-') { name.starts_with(call.cases) } else { name == call.cases }
        });
        names.retain(|name| !name.ends_with("-retried"));
        let case = |name: String| Ok((name.clone(), self.case(call.function, &name, call.sid)?));
        names.into_iter().map(case).collect()
    }

    /// An event with a session id that can be exchanged.
    pub fn case(&self, function: &str, case: &str, sid: &'static str) -> Result<Case> {
        let event = self.event(function, case)?.to_string();
        ensure!(event.contains(sid), "{function}/{case} is not of session {sid}");
        Ok(Case { event, sid })
    }
}

fn json(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// An event of a call, from which events of other calls are made.
#[derive(Clone, Debug)]
pub struct Case {
    event: String,
    sid: &'static str,
}

impl Case {
    /// The same event in the call of a number, as long as this one.
    pub fn of_call(&self, number: u64) -> String {
        let stem = self.sid.get(..self.sid.len().saturating_sub(DIGITS)).unwrap_or_default();
        self.event.replace(self.sid, &format!("{stem}{number:0DIGITS$}"))
    }
}

/// A call as calls usually go.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub name: &'static str,
    pub function: &'static str,
    pub sid: &'static str,
    /// What the names of its cases begin with. In their order they tell the call.
    pub cases: &'static str,
    /// What each callback is answered with.
    pub status: u64,
}

const fn call(name: &'static str, function: &'static str, sid: &'static str, cases: &'static str) -> Call {
    Call { name, function, sid, cases, status: 200 }
}

const AGENT: &str = "agent-call-status";
const TENCENT: &str = "tencent-call-event";
const GUESSED_TOKEN: &str = "another-token-that-nobody-gave-out";

#[rustfmt::skip]
pub const CALLS: [Call; 9] = [
    call("line incoming call", "notify", "4b239b0f-d086-4ea6-a117-d2538a60cf86", "audio-call"),
    call("line one-to-one call", "call-event", "d53ada04-f7b8-440f-adbd-a2e1db345a30", "answered-call"),
    call("line group call", "group-call-event", "ecd9663b7d814680a711dff9605f7e17", "standup-"),
    call("line agent call", AGENT, "b2c6b76a-8931-47fa-a893-784c2fbc4fa4", "agent-call-reaches-callee"),
    call("tencent one-to-one call", TENCENT, "example-current-one-to-one", "current-one-to-one-"),
    call("tencent one-to-one call, older generation", TENCENT, "example-old-one-to-one", "old-one-to-one-"),
    call("tencent group call", TENCENT, "example-current-group-call", "current-group-"),
    call("tencent group call, older generation", TENCENT, "example-old-group-call", "old-group-"),
    // Nothing is read but the token: each request guesses another one.
    Call { status: 404, ..call("wrong token", "notify", GUESSED_TOKEN, "wrong-token") },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_by_cases_of_one_session_that_are_answered_as_expected() {
        let cases = Cases::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
        let counts = CALLS.map(|call| {
            for (name, case) in cases.call(&call).unwrap() {
                assert_eq!(cases.expected(call.function).unwrap()[&name]["status"], call.status, "{name}");
                let other = case.of_call(7);
                assert!(other.contains("0000000007") && !other.contains(call.sid), "{name}");
                assert_eq!(other.len(), case.event.len(), "{name}");
            }
            cases.call(&call).unwrap().len()
        });
        assert_eq!(counts, [1, 1, 7, 1, 4, 6, 8, 9, 1]);
    }
}
