//! Whole calls as the vendors send them, from `scenarios.toml`: a table of words becomes callbacks of one
//! session.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ringback::door::route::Route;
use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Table;

use crate::error::Stop;
use crate::target::Callback;

const TEXT: &str = include_str!("scenarios.toml");
/// What a query's value holds as it is; everything else is escaped.
pub(crate) const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// What a phone's PlanetKit would need to answer; this one answers nothing.
pub(crate) const PARAM: &str = "cmluZ2JhY2stY2xpLW5vLXJlYWwtY2FsbA==";

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Vendor {
    Line,
    Tencent,
}

/// A call that can be played.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) vendor: Vendor,
    /// What it shows.
    pub(crate) why: String,
    pub(crate) steps: Vec<Step>,
    /// Attributes of the call item at the end.
    call: Value,
}

/// One callback of a call.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Seconds after the call began.
    pub(crate) at: f64,
    pub(crate) what: String,
    pub(crate) route: &'static Route,
    query: Value,
    body: Value,
}

/// What the placeholders stand for.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) sid: String,
    /// The service or app whose callbacks these are.
    pub(crate) service: String,
    /// When the call began, in milliseconds since the epoch.
    pub(crate) began: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Common {
    route: String,
    #[serde(default)]
    query: Table,
    #[serde(default)]
    body: Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    vendor: Vendor,
    why: String,
    call: Table,
    steps: Vec<WrittenStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStep {
    at: f64,
    what: String,
    sends: String,
    #[serde(default)]
    query: Table,
    #[serde(default)]
    body: Table,
}

/// Every scenario, in the order of the table.
pub(crate) fn all() -> Result<Vec<Scenario>, Stop> {
    let wrong = |why: String| Stop::new(format!("scenarios.toml: {why}"));
    let mut table: Table = TEXT.parse().map_err(|error: toml::de::Error| wrong(error.to_string()))?;
    let callbacks =
        table.remove("callbacks").and_then(|value| value.try_into::<Table>().ok()).unwrap_or_default();
    let common = |name: &str| -> Result<Common, Stop> {
        let common = callbacks.get(name).cloned().ok_or_else(|| wrong(format!("no callback {name}")))?;
        common.try_into().map_err(|error: toml::de::Error| wrong(format!("{name}: {error}")))
    };
    let step = |written: WrittenStep| {
        let common = common(&written.sends)?;
        let route =
            Route::from_callback(&common.route).ok_or_else(|| wrong(format!("no route {}", common.route)))?;
        let merged = |base, set| {
            let merged = merge(toml::Value::Table(base), toml::Value::Table(set));
            serde_json::to_value(merged).map_err(|error| wrong(error.to_string()))
        };
        let (query, body) = (merged(common.query, written.query)?, merged(common.body, written.body)?);
        Ok(Step { at: written.at, what: written.what, route, query, body })
    };
    let scenario = |(name, written): (String, toml::Value)| {
        let written: Written =
            written.try_into().map_err(|error: toml::de::Error| wrong(format!("{name}: {error}")))?;
        let Written { vendor, why, call, steps } = written;
        let call = serde_json::to_value(call).map_err(|error| wrong(error.to_string()))?;
        let steps = steps.into_iter().map(step).collect::<Result<_, Stop>>()?;
        Ok(Scenario { name, vendor, why, steps, call })
    };
    table.into_iter().map(scenario).collect()
}

impl Scenario {
    /// Seconds from the first callback to the last.
    pub(crate) fn length(&self) -> f64 {
        self.steps.iter().map(|step| step.at).fold(0.0, f64::max)
    }

    /// What of the expected call item is not so in a table's.
    pub(crate) fn differences(&self, session: &Session, call: &Value) -> Vec<String> {
        let expected = session.fill(&self.call);
        let members = expected.as_object().into_iter().flatten();
        members
            .filter_map(|(name, expected)| {
                let found = call.get(name).unwrap_or(&Value::Null);
                (found != expected).then(|| format!("{name} is {found}, not {expected}"))
            })
            .collect()
    }
}

impl Scenario {
    /// Whose phones it rings.
    pub(crate) fn rings(&self, session: &Session) -> Vec<String> {
        let notifies = self.steps.iter().filter(|step| !step.is_recorded());
        let callee = |step: &Step| session.fill(step.query.get("to_user_id")?).as_str().map(str::to_owned);
        notifies.filter_map(callee).collect()
    }
}

impl Step {
    /// Whether it becomes a record. The others ring.
    pub(crate) fn is_recorded(&self) -> bool {
        self.route.callback != ringback::line::NOTIFY.callback
    }

    pub(crate) fn callback(&self, session: &Session) -> Callback {
        let query = session.fill(&self.query);
        let pair = |(name, value): (&String, &Value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("{name}={}", utf8_percent_encode(&value, ESCAPED))
        };
        let query: Vec<String> = query.as_object().into_iter().flatten().map(pair).collect();
        let body = session.fill(&self.body);
        let body = if body.as_object().is_some_and(Map::is_empty) { String::new() } else { body.to_string() };
        Callback { route: self.route, query: query.join("&"), body }
    }
}

impl Session {
    fn fill(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.time(text).map_or_else(|| self.words(text).into(), Value::from),
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::Object(members) => {
                Value::Object(members.iter().map(|(name, value)| (name.clone(), self.fill(value))).collect())
            }
            other => other.clone(),
        }
    }

    /// `{s:8}` or `{ms:8.2}`: a number.
    fn time(&self, text: &str) -> Option<u64> {
        let (unit, seconds) = text.strip_prefix('{')?.strip_suffix('}')?.split_once(':')?;
        let after = std::time::Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?;
        let milliseconds = self.began + u64::try_from(after.as_millis()).ok()?;
        match unit {
            "s" => Some(milliseconds / 1_000),
            "ms" => Some(milliseconds),
            _ => None,
        }
    }

    fn words(&self, text: &str) -> String {
        // Made-up users, so that no push sender finds a phone to ring.
        let people = ["alice", "bob", "carol"].map(|name| (name, format!("ringback-{name}")));
        let others =
            [("sid", &self.sid), ("service", &self.service)].map(|(name, text)| (name, text.clone()));
        let words = people.into_iter().chain(others).chain([("param", PARAM.to_owned())]);
        words.fold(text.to_owned(), |text, (name, word)| text.replace(&format!("{{{name}}}"), &word))
    }
}

fn merge(base: toml::Value, set: toml::Value) -> toml::Value {
    match (base, set) {
        (toml::Value::Table(mut base), toml::Value::Table(set)) => {
            for (name, value) in set {
                let merged = match base.remove(&name) {
                    Some(old) => merge(old, value),
                    None => value,
                };
                base.insert(name, merged);
            }
            toml::Value::Table(base)
        }
        (_, set) => set,
    }
}

#[cfg(test)]
mod tests {
    use ringback::door::callback::Callback as Kept;
    use ringback::door::request::Unverified;
    use ringback::lambda::handler::Handler;
    use ringback::lambda::handler::Notifier;
    use ringback::lambda::outcome::CallbackOutcome;
    use ringback::testing::{DeadTopic, MemoryTable, MemoryTopic, TOKEN, block_on, environment, recorder};

    use super::*;

    fn session(scenario: &Scenario) -> Session {
        let service = if scenario.vendor == Vendor::Line { "planetkit" } else { "1400000001" };
        // The library's tests arrive at this time.
        Session { sid: format!("s-{}", scenario.name), service: service.into(), began: 1_763_800_000_000 }
    }

    /// Sends the steps through the functions' own handlers, in an order, and returns the call item.
    fn play(scenario: &Scenario, order: &[usize]) -> Value {
        let table = MemoryTable::default();
        let topic = MemoryTopic::default();
        for &position in order {
            let step = &scenario.steps[position];
            let Callback { route, query, body } = step.callback(&session(scenario));
            let path = format!("/{TOKEN}{}", route.path);
            let request = Unverified::new(route.method.into(), path, query, body);
            let outcome = match Kept::ALL.into_iter().find(|kept| kept.route.callback == route.callback) {
                Some(kept) => {
                    block_on(recorder(kept, &table, DeadTopic).handle(request, ringback::testing::ARRIVAL))
                }
                None => {
                    let gate = environment().gate(&ringback::line::NOTIFY).unwrap();
                    block_on(Notifier::new(gate, &topic).handle(request, ringback::testing::ARRIVAL))
                }
            };
            let taken = if step.is_recorded() {
                matches!(outcome.outcome, CallbackOutcome::Recorded | CallbackOutcome::Duplicate)
            } else {
                matches!(outcome.outcome, CallbackOutcome::Published)
            };
            assert!(taken, "{}: {}: {:?}", scenario.name, step.what, outcome.outcome);
        }
        table.call()
    }

    #[test]
    fn every_scenario_ends_in_its_call_in_any_order_and_with_repeats() {
        let mut random = fastrand::Rng::with_seed(7);
        for scenario in all().unwrap() {
            let mut order: Vec<usize> = (0..scenario.steps.len()).collect();
            for _ in 0..20 {
                let call = play(&scenario, &order);
                let differences = scenario.differences(&session(&scenario), &call);
                assert!(differences.is_empty(), "{} in order {order:?}: {differences:?}", scenario.name);
                order.push(random.usize(0..scenario.steps.len()));
                random.shuffle(&mut order);
            }
        }
    }

    #[test]
    fn the_scenarios_send_every_callback_there_is() {
        let scenarios = all().unwrap();
        for route in Route::ALL {
            let sends = |step: &Step| step.route.callback == route.callback;
            assert!(scenarios.iter().any(|each| each.steps.iter().any(sends)), "{}", route.callback);
        }
    }

    #[test]
    fn a_difference_is_said_with_what_was_found() {
        let scenarios = all().unwrap();
        let answered = &scenarios[0];
        let mut call = session(answered).fill(&answered.call);
        call["outcome"] = "missed".into();
        let said = answered.differences(&session(answered), &call);
        assert_eq!(said, [r#"outcome is "missed", not "answered""#]);
    }
}
