//! `ringback doctor`: checks a Ringback from outside and from within, and says what to do about each finding.
//!
//! [`callbacks`] sends one call of each kind and looks at what becomes of it. [`stack`] looks at what is
//! deployed, [`ringing`] at what rings phones, [`reading`] at what calls are read from. A check is never left
//! out in silence: what cannot be looked at is said to be skipped, and why.

mod callbacks;
mod reading;
pub(crate) mod ringing;
mod stack;

use clap::Args;
use ringing::IosApp;
use serde_json::json;

use crate::aim::Aim;
use crate::error::Stop;
use crate::output::{BAD, DIM, GOOD, Output, clean, styled};
use crate::place::Where;
use crate::scenario::Vendor;

/// The points of docs/first-deployment.md that need a deployment, an alarm or a person's eye.
const BY_HAND: [&str; 10] = [
    "The spool and the dead letters",
    "Moving dead letters back",
    "The open connection",
    "Where the token could show",
    "Long requests",
    "Rights on the phones",
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
    /// Send no notify callback: it publishes a push job for a made-up user
    #[arg(long)]
    no_notify: bool,
    /// See a push job arrive, in a queue that is made for it and deleted again
    #[arg(long, conflicts_with = "no_notify")]
    watch_jobs: bool,
    #[command(flatten)]
    ios_app: IosApp,
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

/// All findings. Each is printed as soon as it is made.
pub(crate) struct Findings {
    out: Output,
    hush: Box<dyn Fn(&str) -> String>,
    all: Vec<Finding>,
}

impl Findings {
    pub(crate) fn new(out: Output, hush: impl Fn(&str) -> String + 'static) -> Self {
        Self { out, hush: Box::new(hush), all: Vec::new() }
    }

    /// Prints how many there are. Something that failed fails the command.
    pub(crate) fn sum_up(&self, by_hand: &[&str]) -> Result<(), Stop> {
        let count = |verdict| self.all.iter().filter(|finding| finding.verdict == verdict).count();
        let (ok, failed, skipped) = (count(Verdict::Ok), count(Verdict::Failed), count(Verdict::Skipped));
        let listed = |finding: &Finding| {
            let Finding { check, verdict, seen, advice } = finding;
            let verdict = format!("{verdict:?}").to_lowercase();
            json!({ "check": check, "verdict": verdict, "seen": seen, "advice": advice })
        };
        let listed: Vec<_> = self.all.iter().map(listed).collect();
        let value =
            json!({ "ok": ok, "failed": failed, "skipped": skipped, "findings": listed, "by_hand": by_hand });
        self.out.result(&value, &format!("\n{ok} checks are ok, {failed} failed, {skipped} were skipped."));
        if failed > 0 { Err(Stop::new(format!("{failed} checks failed"))) } else { Ok(()) }
    }

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
        let mut findings = Findings::new(out, move |text| target.hushed(text));
        let what = aimed
            .place
            .as_ref()
            .map_or_else(|| "What answers there.".to_owned(), |place| place.description());
        out.tell(&format!("{what} Callbacks go to {}/…", aimed.target.base));

        callbacks::look(&aimed, &mut findings, self.no_notify, self.watch_jobs).await?;
        match &aimed.place {
            Some(place) => {
                stack::look(place, &aimed.target.token, &mut findings).await;
                reading::look(place, &mut findings).await;
                ringing::look(place, aimed.service(Vendor::Line), &self.ios_app, &mut findings).await;
            }
            None => findings.add(Finding::skipped(
                "records, queues, alarms, functions, lists",
                "give --stack to look at them",
            )),
        }
        let outcome = findings.sum_up(&BY_HAND);
        if aimed.place.as_ref().is_some_and(|place| place.deployed().is_some()) {
            let points = BY_HAND.join("; ");
            out.tell(&styled(DIM, &format!("To try by hand, from docs/first-deployment.md: {points}.")));
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_of_the_first_deployment_is_checked_or_left_to_a_person() {
        let page = include_str!("../../docs/first-deployment.md");
        let points: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
        let sources = [
            include_str!("doctor/callbacks.rs"),
            include_str!("doctor/reading.rs"),
            include_str!("doctor/ringing.rs"),
            include_str!("doctor/stack.rs"),
        ];
        for point in &points {
            let checked = sources.iter().any(|source| source.contains(point));
            assert!(checked != BY_HAND.contains(point), "{point}");
        }
        assert!(BY_HAND.iter().all(|point| points.contains(point)));
    }
}
