//! `ringback call`: plays whole calls, sending what the vendor would send, in its order and times; or a load
//! of them.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use crate::aim::{Aim, Aimed};
use crate::confirm::confirm;
use crate::error::Stop;
use crate::output::{BAD, DIM, GOOD, Output, call_line, now, styled, table};
use crate::phones;
use crate::place::Where;
use crate::play::{Load, chaos, plan};
use crate::records::Table;
use crate::scenario::{self, Scenario, Session};
use crate::target::Answer;

/// A record that waits in the spool is written within seconds, where replay runs.
const PATIENCE: Duration = Duration::from_secs(5);
const MOST_A_SECOND: i64 = 500;
const LONGEST_LOAD: u64 = 600;
const MOST_AT_ONCE: usize = 256;

/// Play a whole call: send what the vendor would send, in its order and times
#[derive(Args, Debug)]
pub(crate) struct Call {
    /// The call to play; without one, the list of them
    scenario: Option<String>,
    #[command(flatten)]
    aim: Aim,
    /// How many times as fast as people would
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Repeat, reorder and delay its callbacks
    #[arg(long)]
    chaos: bool,
    /// The chaos of an earlier run
    #[arg(long, requires = "chaos")]
    seed: Option<u64>,
    /// A load: so many callbacks a second, of call after call
    #[arg(long, requires = "lasting", value_parser = clap::value_parser!(u32).range(1..=MOST_A_SECOND))]
    rate: Option<u32>,
    /// How long the load lasts, such as 60s or 5m
    #[arg(long = "for", id = "lasting", requires = "rate", value_name = "TIME", value_parser = lasting)]
    lasting: Option<Duration>,
    /// Delete the records afterwards
    #[arg(long)]
    remove: bool,
    /// Do not ask before a load on a deployment: its host
    #[arg(long, value_name = "HOST")]
    yes: Option<String>,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "a number".to_owned())?;
    if (0.01..=10_000.0).contains(&speed) { Ok(speed) } else { Err("from 0.01 to 10000".to_owned()) }
}

fn lasting(text: &str) -> Result<Duration, String> {
    let (digits, factor) =
        text.strip_suffix('m').map_or((text.trim_end_matches('s'), 1), |digits| (digits, 60));
    let seconds = digits.parse::<u64>().map(|seconds| seconds.saturating_mul(factor)).unwrap_or_default();
    let bounded = (1..=LONGEST_LOAD).contains(&seconds);
    if bounded {
        Ok(Duration::from_secs(seconds))
    } else {
        Err("such as 60s or 5m, and at most 10m".to_owned())
    }
}

impl Call {
    pub(crate) async fn run(self, at: &Where, out: Output) -> Result<(), Stop> {
        let scenarios = scenario::all()?;
        let Some(name) = &self.scenario else {
            list(&scenarios, out);
            return Ok(());
        };
        let chosen = scenarios.iter().find(|scenario| scenario.name == *name);
        let scenario = chosen
            .ok_or_else(|| Stop::new(format!("there is no call {name}: `ringback call` lists them")))?;
        let aimed = self.aim.find(at).await?;
        match self.rate.zip(self.lasting) {
            Some((rate, lasting)) => self.load(scenario, &aimed, rate, lasting, out).await,
            None => self.play(scenario, &aimed, out).await,
        }
    }

    async fn play(&self, scenario: &Scenario, aimed: &Aimed, out: Output) -> Result<(), Stop> {
        let length = scenario.length();
        // A call that is played fast began earlier: its last callback is sent at its own time, and none is of
        // the future.
        let saved = Duration::try_from_secs_f64(length - length / self.speed).unwrap_or_default();
        let session = session(scenario, aimed, now().saturating_sub(saved))?;
        let at: Vec<f64> = scenario.steps.iter().map(|step| step.at).collect();
        let mut sendings = plan(&at, self.speed);
        if self.chaos {
            let seed = self.seed.unwrap_or_else(|| fastrand::u64(..));
            let records = |step: usize| scenario.steps.get(step).is_some_and(scenario::Step::is_recorded);
            sendings = chaos(&sendings, records, &mut fastrand::Rng::with_seed(seed));
            out.tell(&format!("Chaos with --seed {seed}."));
        }
        out.tell(&format!("{} Session {}, to {}/…", scenario.why, session.sid, aimed.target.base));

        if let Some(place) = &aimed.place {
            for callee in scenario.rings(&session) {
                phones::register(place, &session.service, &callee).await?;
            }
        }
        let (started, mut answers, mut refused) = (Instant::now(), Vec::new(), 0);
        for sending in &sendings {
            let Some(step) = scenario.steps.get(sending.step) else { continue };
            sleep_until(started + sending.after).await;
            let answer = aimed.send(&step.callback(&session)).await;
            let taken = answer.is_taken();
            refused += usize::from(!taken);
            let shown = answer.shown(&aimed.target);
            let (after, took) = (sending.after.as_secs_f64(), answer.took.as_secs_f64() * 1e3);
            let again = if sending.again { " (again)" } else { "" };
            let words = format!("{}{again}", step.what);
            let shown_in_colour = styled(if taken { GOOD } else { BAD }, &shown);
            out.tell(&format!("  {after:>6.1} s  {words:<56} {shown_in_colour}  {took:.0} ms"));
            answers.push(
                json!({ "what": step.what, "again": sending.again, "answer": shown, "ms": took.round() }),
            );
        }

        let recorded = match &aimed.place {
            Some(place) => Some(recorded(scenario, &session, &Table::of(place)).await?),
            None => None,
        };
        let rang = match &aimed.place {
            Some(place) => phones::rang(place, &session.sid, Some(scenario::PARAM)).await?,
            None => Vec::new(),
        };
        for line in &rang {
            out.tell(&format!("  {line}"));
        }
        let (items, differences) = recorded.clone().unwrap_or_default();
        let removed = self.tidy(aimed, std::slice::from_ref(&session.sid)).await?;
        let text = match &recorded {
            None => {
                styled(DIM, "The records cannot be looked at here: give --stack. They expire by themselves.")
            }
            Some(_) => match items.iter().find(|item| is_call(item)) {
                Some(call) => format!("  recorded: {}; {} items", call_line(call), items.len()),
                None => "  recorded: nothing".to_owned(),
            },
        };
        let value = json!({
            "scenario": scenario.name, "sid": session.sid, "answers": answers, "removed": removed,
            "call": items.iter().find(|item| is_call(item)), "differences": differences, "rang": rang,
        });
        out.result(&value, &text);
        if refused > 0 {
            return Err(Stop::new(format!("{refused} callbacks were not taken")));
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(Stop::new(format!("the call is recorded otherwise: {}", differences.join("; "))))
    }

    async fn load(
        &self,
        scenario: &Scenario,
        aimed: &Aimed,
        rate: u32,
        lasting: Duration,
        out: Output,
    ) -> Result<(), Stop> {
        let host = aimed.target.base.split("://").last().unwrap_or_default();
        if !aimed.target.is_local() {
            confirm(host, "the host that gets this load", self.yes.as_deref())?;
        }
        let planned = u64::from(rate) * lasting.as_secs();
        out.tell(&format!("{planned} callbacks in {} s, to {}/…", lasting.as_secs(), aimed.target.base));
        let progress = out.progress(Some(planned), "callbacks");
        let (mut load, mut sids, mut tasks) = (Load::default(), Vec::new(), JoinSet::new());
        let mut callbacks = Vec::new().into_iter();
        let add = |load: &mut Load, answer: Answer| {
            load.add(answer.is_taken(), answer.shown(&aimed.target), answer.took);
            progress.inc(1);
        };
        let started = Instant::now();
        let mut ticks = interval(Duration::from_secs(1) / rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for _ in 0..planned {
            ticks.tick().await;
            while let Some(done) = tasks.try_join_next() {
                add(&mut load, done.map_err(|error| Stop::new(error.to_string()))?);
            }
            if tasks.len() >= MOST_AT_ONCE {
                load.left_out += 1;
                continue;
            }
            if callbacks.len() == 0 {
                let session = session(scenario, aimed, now())?;
                let made: Vec<_> = scenario.steps.iter().map(|step| step.callback(&session)).collect();
                sids.push(session.sid);
                callbacks = made.into_iter();
            }
            if let Some(callback) = callbacks.next() {
                tasks.spawn(aimed.sending(&callback));
            }
        }
        while let Some(done) = tasks.join_next().await {
            add(&mut load, done.map_err(|error| Stop::new(error.to_string()))?);
        }
        progress.finish_and_clear();
        let seconds = started.elapsed().as_secs_f64();
        let removed = self.tidy(aimed, &sids).await?;
        report(&mut load, seconds, sids.len(), removed, out);
        if load.failed + load.left_out > 0 {
            let Load { failed, left_out, .. } = load;
            return Err(Stop::new(format!(
                "{failed} callbacks were not taken, {left_out} were not sent in time"
            )));
        }
        Ok(())
    }

    /// Deletes what was recorded, where that is asked for.
    async fn tidy(&self, aimed: &Aimed, sids: &[String]) -> Result<usize, Stop> {
        let Some(place) = aimed.place.as_ref().filter(|_| self.remove) else { return Ok(0) };
        let (records, mut removed) = (Table::of(place), 0);
        for sid in sids {
            removed += records.remove(sid).await?;
        }
        Ok(removed)
    }
}

fn list(scenarios: &[Scenario], out: Output) {
    let rows = scenarios.iter().map(|scenario| {
        let callbacks = format!("{} in {:.0} s", scenario.steps.len(), scenario.length());
        vec![scenario.name.clone(), callbacks, scenario.why.clone()]
    });
    let named = |each: &Scenario| json!({ "name": each.name, "why": each.why, "seconds": each.length() });
    let value: Value = scenarios.iter().map(named).collect();
    out.result(&value, &table(&["call", "callbacks", "what happens"], rows));
}

fn report(load: &mut Load, seconds: f64, calls: usize, removed: usize, out: Output) {
    let count = load.count();
    #[expect(clippy::cast_precision_loss, reason = "a load is bounded far below 2^53")]
    let rate = (count as f64 / seconds * 10.0).round() / 10.0;
    let percents = [50, 90, 99, 100];
    let measured = load.percentiles(&percents);
    let latencies: Vec<_> =
        percents.iter().zip(&measured).map(|(percent, ms)| format!("p{percent} {ms} ms")).collect();
    let answers: Vec<_> = load.answers.iter().map(|(answer, count)| format!("{count} x {answer}")).collect();
    let text = format!(
        "{count} callbacks of {calls} calls in {seconds:.1} s: {rate} a second\n  {}\n  {}",
        latencies.join(", "),
        answers.join(", ")
    );
    let latency: serde_json::Map<String, Value> =
        percents.iter().zip(&measured).map(|(percent, ms)| (format!("p{percent}"), json!(ms))).collect();
    let value = json!({
        "callbacks": count, "calls": calls, "seconds": seconds, "a_second": rate, "latency_ms": latency,
        "answers": load.answers, "failed": load.failed, "left_out": load.left_out, "removed": removed,
    });
    out.result(&value, &text);
}

/// A session of its own, of a vendor's service that the target serves.
pub(crate) fn session(scenario: &Scenario, aimed: &Aimed, began: Duration) -> Result<Session, Stop> {
    let service = aimed.service(scenario.vendor).ok_or_else(|| {
        Stop::new(format!(
            "{}: the target serves no such vendor, or give --service-id or --sdk-app-id",
            scenario.name
        ))
    })?;
    // Most of the vendors' times are whole seconds.
    let began = began.as_secs() * 1_000;
    let sid = format!("ringback-{}-{}-{:08x}", scenario.name, began / 1_000, fastrand::u32(..));
    Ok(Session { sid, service: service.to_owned(), began })
}

/// The items of a session, and what differs from the expected call once it no longer changes.
pub(crate) async fn recorded(
    scenario: &Scenario,
    session: &Session,
    records: &Table,
) -> Result<(Vec<Value>, Vec<String>), Stop> {
    let patience = Instant::now() + PATIENCE;
    loop {
        let items = records.session(&session.sid).await?;
        let call = items.iter().find(|item| is_call(item)).cloned().unwrap_or_default();
        let differences = scenario.differences(session, &call);
        if differences.is_empty() || Instant::now() > patience {
            return Ok((items, differences));
        }
        sleep(Duration::from_millis(200)).await;
    }
}

pub(crate) fn is_call(item: &Value) -> bool {
    item.get("record").and_then(Value::as_str) == Some(ringback::call::record::CALL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_bounded() {
        assert_eq!(lasting("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(lasting("5m"), Ok(Duration::from_secs(300)));
        for text in ["", "0s", "11m", "601", "soon", "-1s", "99999999999999999999m"] {
            assert!(lasting(text).is_err(), "{text}");
        }
        for text in ["0", "-1", "nan", "inf", "fast"] {
            assert!(speed(text).is_err(), "{text}");
        }
    }
}
