//! Whole calls: several callbacks of one session, and the call item that they end in.

use serde::Deserialize;
use serde_json::Value;
use toml::Table;

use crate::row::Row;
use crate::{Cases, Wrong, event, table};

/// A call, told in callbacks.
#[derive(Clone, Debug)]
pub struct Call {
    /// As its table has it.
    pub name: String,
    /// The rule that it shows.
    pub why: String,
    /// Whether `make run` narrates it. Such a call is made of whole events.
    pub told: bool,
    /// Whether the call ends in the same state whatever the order in which its callbacks arrive.
    pub any_order: bool,
    /// Whether its end is counted when it is first seen, and a later callback may still change the outcome.
    pub counted_early: bool,
    /// In the order in which the vendor sends them.
    pub steps: Vec<Step>,
    /// Attributes of the call item at the end; null must be absent. There is no call item where this is null.
    pub call: Value,
}

/// One callback of a call.
#[derive(Clone, Debug)]
pub struct Step {
    /// What happens, as a person would say it.
    pub what: String,
    /// The function that gets the event.
    pub function: String,
    /// An event of API Gateway.
    pub event: Value,
    /// The HTTP status of the answer.
    pub status: u16,
}

/// A call as its table has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    why: String,
    #[serde(default)]
    told: bool,
    #[serde(default)]
    any_order: bool,
    #[serde(default)]
    counted_early: bool,
    /// The function of the cases that steps name without one.
    #[serde(default)]
    function: String,
    /// What all steps have in common.
    #[serde(default)]
    each: Table,
    steps: Vec<Table>,
    call: Option<Table>,
}

/// Every whole call, in the order of the tables.
pub fn calls() -> Result<Vec<Call>, Wrong> {
    let cases = Cases::read()?;
    let mut calls = Vec::new();
    for path in table::folder(&table::tables().join("calls"))? {
        let (base, sections) = table::sections(&path)?;
        for (name, section) in sections {
            let toml::Value::Table(section) = section else { return Err(table::wrong(&path, name)) };
            let told: Told = table::merge(base.clone(), section)
                .try_into()
                .map_err(|error| table::wrong(&path, format!("{name}: {error}")))?;
            calls.push(told.call(name, &cases)?);
        }
    }
    Ok(calls)
}

impl Told {
    fn call(self, name: String, cases: &Cases) -> Result<Call, Wrong> {
        let sid = (!self.told).then(|| event::uuid(&name));
        let steps: Result<Vec<Step>, Wrong> = self
            .steps
            .into_iter()
            .map(|step| {
                Step::read(
                    table::merge(self.each.clone(), step),
                    &name,
                    &self.function,
                    sid.as_deref(),
                    cases,
                )
            })
            .collect();
        Ok(Call {
            why: self.why,
            told: self.told,
            any_order: self.any_order,
            counted_early: self.counted_early,
            steps: steps?,
            call: self.call.as_ref().map_or(Value::Null, event::object),
            name,
        })
    }
}

impl Step {
    fn read(
        mut step: Table,
        call: &str,
        function: &str,
        sid: Option<&str>,
        cases: &Cases,
    ) -> Result<Self, Wrong> {
        let wrong = |what: String| Wrong(format!("calls/{call}: {what}"));
        let Some(toml::Value::String(what)) = step.remove("what") else {
            return Err(wrong("a step without words".to_owned()));
        };
        let row: Row = step.try_into().map_err(|error| wrong(format!("{what}: {error}")))?;
        let mut row = row.within(function);
        let base = cases.case(&row.from)?;
        row.sid = sid.map(str::to_owned);
        row.same_call = sid.is_none();
        let case = row.applied(&row.from, &base)?;
        let status =
            case.expected.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
        Ok(Self {
            what,
            function: base.function().to_owned(),
            event: case.event,
            status: status.ok_or_else(|| wrong(format!("{} has no status", row.from)))?,
        })
    }
}
