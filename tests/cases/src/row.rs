//! A row: the case that it starts from, what differs, what must become of it, and why.

use serde::Deserialize;
use toml::Table;

use crate::{Case, Wrong, event, expectation};

/// What a row may say. Everything but `why` may be left out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Row {
    /// The case that it starts from. Without it the row uses the whole event of the same name.
    pub(crate) from: String,
    /// The session. Each case has its own unless its row says otherwise.
    pub(crate) sid: Option<String>,
    /// It tells more of the call that it starts from.
    pub(crate) same_call: bool,

    /// Parameters of the query, as text.
    pub(crate) set: Table,
    /// Parameters of the query, as they stand in it.
    pub(crate) raw: Table,
    /// The whole query; `<query>` is what it would be.
    pub(crate) query: Option<String>,
    /// Members of the JSON body.
    pub(crate) body: Table,
    /// Members of the JSON body, each as JSON text.
    pub(crate) raw_body: Table,
    /// The whole body; `<body>` is what it would be.
    pub(crate) text: Option<String>,
    /// The body comes in base64. One that is not UTF-8 always does.
    pub(crate) base64: bool,
    pub(crate) method: Option<String>,
    /// The path; `<path>` is what it would be.
    pub(crate) path: Option<String>,
    pub(crate) headers: Table,
    /// The messages of a batch; `<body>` is the first message of the batch that it starts from.
    pub(crate) messages: Option<Vec<String>>,

    pub(crate) status: Option<u16>,
    pub(crate) effect: Option<String>,
    pub(crate) field: Option<String>,
    pub(crate) call: Table,
    pub(crate) vendor: Table,
    pub(crate) job: Table,
    pub(crate) why: String,
}

impl Row {
    /// A name without a function is a case of the same function.
    pub(crate) fn within(mut self, function: &str) -> Self {
        if !self.from.is_empty() && !self.from.contains('/') {
            self.from = format!("{function}/{}", self.from);
        }
        self
    }

    /// The case of a whole event.
    pub(crate) fn whole(&self, name: &str, event: serde_json::Value) -> Result<Case, Wrong> {
        let expected = expectation::of(self, None, event::sid(&event).as_deref());
        Ok(Case { name: name.to_owned(), event, expected, whole: true })
    }

    /// The case that becomes of another one.
    pub(crate) fn applied(&self, name: &str, base: &Case) -> Result<Case, Wrong> {
        let changed =
            event::change(&base.event, self, name).map_err(|Wrong(what)| Wrong(format!("{name}: {what}")))?;
        // What this expander cannot read, a function may.
        let sid =
            event::sid(&changed).or_else(|| event::renamed(&base.event, self, name).map(|(_, new)| new));
        let expected = expectation::of(self, Some(base), sid.as_deref());
        Ok(Case { name: name.to_owned(), event: changed, expected, whole: false })
    }
}
