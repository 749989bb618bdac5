//! The cases of every callback: which event comes, and what must become of it.
//!
//! `events/` holds whole events that a person opens. Every other case is a row of a table in this folder:
//! what differs from a whole event, what must become of it, and why. [`all`] makes whole events of the rows;
//! [`calls`] gives whole calls of several callbacks. `README.md` beside this crate describes the tables.
//!
//! A table is read in `table`, a row is applied to an event in `event` (its JSON body in `members`) and to an
//! expectation in `expectation`.

mod call;
mod event;
mod expectation;
mod members;
mod notation;
mod row;
mod table;
mod written;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

pub use crate::call::{Call, Step, calls};
use crate::row::Row;
pub use crate::written::write;

/// In a table: this parameter, member, header or attribute is not there.
const ABSENT: &str = "-";

/// A table, or an event that it names, is not as it has to be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Wrong(pub(crate) String);

/// One event, and what must become of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// `<function>/<case>`.
    pub name: String,
    /// What Lambda hands to the function: an event of API Gateway, or a batch of SQS.
    pub event: Value,
    /// `status`, `effect`, `why`, and where it matters `call`, `vendor`, `job` and `field`.
    pub expected: Value,
    /// Whether the event is a file of `events/`.
    pub whole: bool,
}

impl Case {
    /// The function that gets the event.
    pub fn function(&self) -> &str {
        self.name.split_once('/').map_or("", |(function, _)| function)
    }

    fn written_out(mut self) -> Self {
        self.expected = expectation::written_out(self.expected, &self.event);
        self
    }

    /// The session that the event names.
    pub fn sid(&self) -> Option<String> {
        event::sid(&self.event)
    }
}

/// Every case, by name.
pub fn all() -> Result<Vec<Case>, Wrong> {
    let cases = Cases::read()?;
    cases.rows.keys().map(|name| Ok(cases.case(name)?.written_out())).collect()
}

/// The folder of the whole events.
fn events() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../events")
}

/// All rows, by the names of their cases.
struct Cases {
    rows: BTreeMap<String, Row>,
}

impl Cases {
    fn read() -> Result<Self, Wrong> {
        let mut rows = BTreeMap::new();
        for function in table::folder(&events())? {
            let Some(function) = function.file_name().and_then(|name| name.to_str()) else { continue };
            for path in table::folder(&table::tables().join(function))? {
                for (case, row) in table::rows(&path)? {
                    let name = format!("{function}/{case}");
                    if rows.insert(name.clone(), row.within(function)).is_some() {
                        return Err(Wrong(format!("{name} stands in two tables")));
                    }
                }
            }
        }
        Ok(Self { rows })
    }

    fn case(&self, name: &str) -> Result<Case, Wrong> {
        let row = self.rows.get(name).ok_or_else(|| Wrong(format!("there is no case {name}")))?;
        if row.from.is_empty() {
            let event = table::json(&events().join(format!("{name}.json")))?;
            return row.whole(name, event);
        }
        row.applied(name, &self.case(&row.from)?)
    }
}

#[cfg(test)]
mod tests;
