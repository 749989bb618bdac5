//! What the local stack takes from template.yaml. `local/template.py` reads it with SAM's own transform.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::error::StackError;
use crate::processes::{cannot_start, command};
use crate::stack::PYTHON;

/// The template's resources by their names on this machine, with the properties that CloudFormation gets.
#[derive(Debug, Deserialize)]
pub(crate) struct Template {
    pub(crate) tables: BTreeMap<String, Value>,
    pub(crate) queues: BTreeMap<String, Value>,
    pub(crate) topics: Vec<String>,
    pub(crate) subscriptions: Vec<Value>,
    pub(crate) functions: Vec<Function>,
}

/// One function: what calls it, and what it is started with.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Function {
    /// Of its binary.
    pub(crate) name: String,
    pub(crate) routes: Vec<Route>,
    /// In MB.
    pub(crate) memory: String,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) queues: Vec<Queue>,
    pub(crate) streams: Vec<Stream>,
}

/// A route of the API.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Route {
    /// A method in small letters, or [`Route::ANY`].
    pub(crate) method: String,
    /// It may hold `{parameters}`.
    pub(crate) path: String,
    /// Whether it takes only requests that are signed with AWS credentials.
    pub(crate) iam: bool,
}

/// A queue that a function is fed from.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Queue {
    pub(crate) arn: String,
    pub(crate) batch_size: u8,
}

/// A table whose changes a function gets.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Stream {
    pub(crate) table: String,
    pub(crate) batch_size: u16,
}

impl Route {
    pub(crate) const ANY: &str = "x-amazon-apigateway-any-method";

    /// Whether a request comes this way. Parameters are never empty.
    pub(crate) fn leads(&self, method: &str, path: &str) -> bool {
        let (own, given): (Vec<_>, Vec<_>) = (self.path.split('/').collect(), path.split('/').collect());
        let fits = |(own, given): (&&str, &&str)| own == given || (own.starts_with('{') && !given.is_empty());
        (self.method == Self::ANY || self.method.eq_ignore_ascii_case(method))
            && own.len() == given.len()
            && own.iter().zip(&given).all(fits)
    }
}

impl Template {
    /// Reads the template with these parameters. `queues` is the address in front of the queues' names.
    pub(crate) fn read(root: &Path, queues: &str, parameters: &[(&str, String)]) -> Result<Self, StackError> {
        let mut reader = command(root.join(PYTHON));
        reader.current_dir(root).args(["-m", "local.template", queues]);
        reader.args(parameters.iter().map(|(name, value)| format!("{name}={value}")));
        let read = reader.output().map_err(|error| cannot_start(&reader, &error))?;
        if !read.status.success() {
            return Err(StackError::new(String::from_utf8_lossy(&read.stderr).trim()));
        }
        serde_json::from_slice(&read.stdout)
            .map_err(|error| StackError::new(format!("local/template.py gives another form: {error}")))
    }

    /// The functions' environments as one, in which each name has one value.
    pub(crate) fn settings(&self) -> Result<BTreeMap<String, String>, StackError> {
        let mut settings = BTreeMap::<String, String>::new();
        for (name, value) in self.functions.iter().flat_map(|function| &function.environment) {
            if settings.insert(name.clone(), value.clone()).is_some_and(|other| other != *value) {
                let why = format!("template.yaml gives two functions different values of {name}");
                return Err(StackError::new(why));
            }
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_matched_segment_by_segment() {
        let route = |method: &str| Route {
            method: method.into(),
            path: "/{token}/line/call_event".into(),
            iam: false,
        };
        assert!(route(Route::ANY).leads("PUT", "/abc/line/call_event"));
        for path in ["//line/call_event", "/a/b/line/call_event", "/abc/line/call_event/", "/abc/line/x"] {
            assert!(!route(Route::ANY).leads("GET", path), "{path}");
        }
        assert!(route("get").leads("GET", "/abc/line/call_event"));
        assert!(!route("get").leads("PUT", "/abc/line/call_event"));
    }

    #[test]
    fn functions_may_not_disagree_about_a_variable() {
        let function = |value: &str| Function {
            name: "f".into(),
            routes: Vec::new(),
            memory: "128".into(),
            environment: [("A".to_owned(), value.to_owned())].into(),
            queues: Vec::new(),
            streams: Vec::new(),
        };
        let template = |values: [&str; 2]| Template {
            tables: BTreeMap::new(),
            queues: BTreeMap::new(),
            topics: Vec::new(),
            subscriptions: Vec::new(),
            functions: values.map(function).into(),
        };
        assert_eq!(template(["1", "1"]).settings().unwrap().len(), 1);
        assert!(template(["1", "2"]).settings().unwrap_err().to_string().ends_with("values of A"));
    }
}
