//! `ringback doctor`: checks a Ringback from outside and from within, and says what to do about each finding.
//!
//! [`callbacks`] sends one call of each kind and looks at what becomes of it. [`stack`] looks at what is
//! deployed. A check is never left out in silence: what cannot be looked at is said to be skipped, and why.

mod callbacks;
mod stack;

use clap::Args;
use serde_json::json;

use crate::aim::Aim;
use crate::error::Stop;
use crate::output::{BAD, DIM, GOOD, Output, clean, styled};
use crate::place::Where;

/// The points of docs/first-deployment.md that need a deployment, an alarm or a person's eye.
const BY_HAND: [&str; 9] = [
    "The spool and the dead letters",
    "Moving dead letters back",
    "The open connection",
    "Where the token could show",
    "Long requests",
    "Alarms that CodeDeploy knows by name",
    "A canary that fails",
    "Provisioned concurrency with a canary",
    "A key of your own",
];

/// Check a deployment, or the local stack: each finding says what to do
#[derive(Args, Debug)]
pub(crate) struct Doctor {
    #[command(flatten)]
    aim: Aim,
    /// Send no notify callback: it publishes a push job for a user whom nobody knows
    #[arg(long)]
    no_notify: bool,
    /// See a push job arrive, in a queue that is made for it and deleted again
    #[arg(long, conflicts_with = "no_notify")]
    watch_jobs: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ok,
    Failed,
    Skipped,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) check: String,
    pub(crate) verdict: Verdict,
    pub(crate) seen: String,
    /// What to do about it.
    pub(crate) advice: String,
}

impl Finding {
    /// All is well, unless there is something to do.
    pub(crate) fn new(check: impl Into<String>, seen: impl Into<String>, advice: impl Into<String>) -> Self {
        let (seen, advice) = (seen.into(), advice.into());
        let verdict = if advice.is_empty() { Verdict::Ok } else { Verdict::Failed };
        Self { check: check.into(), verdict, seen, advice }
    }

    pub(crate) fn skipped(check: &str, why: impl Into<String>) -> Self {
        Self { check: check.into(), verdict: Verdict::Skipped, seen: why.into(), advice: String::new() }
    }

    /// What could not be looked at is a finding, too.
    pub(crate) fn of(check: &str, looked: Result<Self, Stop>) -> Self {
        looked.unwrap_or_else(|why| {
            let advice = "see whether your role may look at this, and run it again";
            Self::new(check, why.to_string(), advice)
        })
    }
}

/// Findings, told one by one.
pub(crate) struct Findings {
    out: Output,
    hush: Box<dyn Fn(&str) -> String>,
    all: Vec<Finding>,
}

impl Findings {
    pub(crate) fn add(&mut self, finding: Finding) {
        let Finding { check, verdict, seen, advice } = finding;
        let [seen, advice] = [seen, advice].map(|text| clean(&(self.hush)(&text)));
        let word = match verdict {
            Verdict::Ok => styled(GOOD, "ok     "),
            Verdict::Failed => styled(BAD, "FAILED "),
            Verdict::Skipped => styled(DIM, "skipped"),
        };
        self.out.tell(format!("  {word}  {check:<56} {seen}").trim_end());
        if !advice.is_empty() {
            self.out.tell(&format!("           -> {advice}"));
        }
        self.all.push(Finding { check, verdict, seen, advice });
    }
}

impl Doctor {
    pub(crate) async fn run(self, at: &Where, out: Output) -> Result<(), Stop> {
        let aimed = self.aim.find(at).await?;
        let target = aimed.target.clone();
        let mut findings = Findings { out, hush: Box::new(move |text| target.hushed(text)), all: Vec::new() };
        let what = aimed
            .place
            .as_ref()
            .map_or_else(|| "What answers there.".to_owned(), |place| place.description());
        out.tell(&format!("{what} Callbacks go to {}/…", aimed.target.base));

        callbacks::look(&aimed, &mut findings, self.no_notify, self.watch_jobs).await?;
        match &aimed.place {
            Some(place) => stack::look(place, &aimed.target.token, &mut findings).await,
            None => findings
                .add(Finding::skipped("records, queues, alarms, functions", "give --stack to look at them")),
        }
        let count = |verdict| findings.all.iter().filter(|finding| finding.verdict == verdict).count();
        let (ok, failed, skipped) = (count(Verdict::Ok), count(Verdict::Failed), count(Verdict::Skipped));
        let listed = |finding: &Finding| {
            let Finding { check, verdict, seen, advice } = finding;
            let verdict = format!("{verdict:?}").to_lowercase();
            json!({ "check": check, "verdict": verdict, "seen": seen, "advice": advice })
        };
        let listed: Vec<_> = findings.all.iter().map(listed).collect();
        let value =
            json!({ "ok": ok, "failed": failed, "skipped": skipped, "findings": listed, "by_hand": BY_HAND });
        out.result(&value, &format!("\n{ok} checks are ok, {failed} failed, {skipped} were skipped."));
        if aimed.place.as_ref().is_some_and(|place| place.deployed().is_some()) {
            let points = BY_HAND.join("; ");
            out.tell(&styled(DIM, &format!("To try by hand, from docs/first-deployment.md: {points}.")));
        }
        if failed > 0 { Err(Stop::new(format!("{failed} checks failed"))) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_of_the_first_deployment_is_checked_or_left_to_a_person() {
        let page = include_str!("../../docs/first-deployment.md");
        let points: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
        let sources = [include_str!("doctor/callbacks.rs"), include_str!("doctor/stack.rs")];
        for point in &points {
            let checked = sources.iter().any(|source| source.contains(point));
            assert!(checked != BY_HAND.contains(point), "{point}");
        }
        assert!(BY_HAND.iter().all(|point| points.contains(point)));
    }
}
