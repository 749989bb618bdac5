//! Environments of one function in front of one AWS, as Lambda would run them: callbacks come to them in
//! turns, and what the callbacks take is added up.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::aws::Aws;
use crate::process::{Place, Running};
use crate::results::percentile;
use crate::subject::{Bench, Subject};
use crate::table::Usage;

pub struct Environments<'a> {
    aws: &'a Aws,
    name: String,
    pub running: Vec<Running>,
    callbacks: usize,
    answer_bytes: usize,
}

/// What callbacks took together.
#[derive(Clone, Debug, Default)]
pub struct Spent {
    pub times: Vec<Duration>,
    pub usage: Usage,
}

/// What a callback took: times as percentiles, the rest on average.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Over how many callbacks.
    pub callbacks: usize,
    /// From event to answer.
    pub median_us: f64,
    pub p99_us: f64,
    #[serde(flatten)]
    pub usage: Usage,
}

impl<'a> Environments<'a> {
    pub fn start(
        bench: &Bench,
        aws: &'a Aws,
        subject: &Subject,
        count: usize,
        place: Place<'_>,
    ) -> Result<Self> {
        let start = |number: usize| {
            let log = bench.scratch().join(format!("log/{}-{number}-{}.log", subject.name, aws.port()));
            Running::start(subject, log, &bench.cores, place)
        };
        let running = (0..count).map(start).collect::<Result<_>>()?;
        Ok(Self { aws, name: subject.name.clone(), running, callbacks: 0, answer_bytes: 0 })
    }

    /// The environment whose turn it is.
    fn next(&mut self) -> Result<&Running> {
        self.callbacks += 1;
        self.running.get(self.callbacks % self.running.len().max(1)).context("no environment")
    }

    /// Plays a callback, which must be answered with this status.
    pub fn play(&mut self, event: &str, status: u64) -> Result<Duration> {
        let (answer, took) = self.next()?.call(event, status)?;
        self.answer_bytes += answer.to_string().len();
        Ok(took)
    }

    /// What was used so far.
    pub fn usage(&self) -> Result<Usage> {
        let mut usage = Usage { answer_bytes: self.answer_bytes as f64, ..self.aws.table().usage };
        for running in &self.running {
            let (lines, bytes) = running.printed()?;
            usage.log_lines += lines as f64;
            usage.log_bytes += bytes as f64;
            usage.cpu_us += running.cpu()?.as_secs_f64() * 1e6;
        }
        Ok(usage)
    }

    /// Plays callbacks one by one.
    pub fn measure(&mut self, events: &[String], status: u64) -> Result<Spent> {
        let before = self.usage()?;
        let times = events.iter().map(|event| self.play(event, status)).collect::<Result<_>>()?;
        Ok(Spent { times, usage: self.usage()? - before })
    }

    /// Nothing may have gone wrong at AWS, nor have been published.
    pub fn must_have_recorded(&self) -> Result<()> {
        let trouble = self.aws.trouble();
        ensure!(trouble.is_none(), "AWS saw of {}: {}", self.name, trouble.unwrap_or_default());
        let published = self.aws.table().usage.published;
        ensure!(published == 0.0, "{} published {published} messages", self.name);
        Ok(())
    }
}

impl Spent {
    pub fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        self.usage += other.usage;
    }

    pub fn figures(&self) -> Figures {
        let mut times: Vec<f64> = self.times.iter().map(|time| time.as_secs_f64() * 1e6).collect();
        times.sort_unstable_by(f64::total_cmp);
        Figures {
            callbacks: times.len(),
            median_us: percentile(&times, 50),
            p99_us: percentile(&times, 99),
            usage: self.usage / times.len().max(1) as f64,
        }
    }
}
