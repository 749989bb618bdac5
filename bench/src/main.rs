//! `ringback-bench --out docs/performance.md`: measures the functions and writes the page, and
//! `performance.json` beside it for programs. It needs the release builds that `make bench` makes first.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use argh::{FromArgValue, FromArgs};
use ringback_bench::aws::Aws;
use ringback_bench::machine::Machine;
use ringback_bench::process::Cores;
use ringback_bench::results::Results;
use ringback_bench::subject::{Also, Bench};
use ringback_bench::{calls, growth, page, peers, reading, replay, starts};
use ringback_tests::phones::Phones;

/// Measures the functions against the floor of a Lambda and against what else one would write.
#[derive(FromArgs)]
struct Arguments {
    /// cold starts of each subject (20)
    #[argh(option, default = "20")]
    rounds: usize,
    /// warm callbacks of each subject (2000)
    #[argh(option, default = "2000")]
    warm: u64,
    /// a subject to measure beside the floor; all unless given
    #[argh(option)]
    only: Vec<String>,
    /// another build of a function beside the others, as NAME=BOOTSTRAP=FUNCTION
    #[argh(option)]
    also: Vec<Also>,
    /// where <function>/bootstrap are (target/lambda)
    #[argh(option, default = "\"target/lambda\".into()")]
    bootstraps: PathBuf,
    /// starts, calls, growth, replay or reading; all unless given
    #[argh(option)]
    part: Vec<Part>,
    /// without the run at 7 % of a core
    #[argh(switch)]
    skip_held: bool,
    /// every part, of a few minutes: for trying the harness
    #[argh(switch)]
    short: bool,
    /// the page to write into; else the report is printed
    #[argh(option)]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, FromArgValue)]
enum Part {
    Starts,
    Calls,
    Growth,
    Replay,
    Reading,
}

impl Arguments {
    fn has(&self, part: Part) -> bool {
        self.part.is_empty() || self.part.contains(&part)
    }
}

fn main() -> Result<ExitCode> {
    let arguments: Arguments = argh::from_env();
    // Before there is any other thread, because threads inherit it.
    let cores = Cores::part().context("put the harness on a core of its own")?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let bench =
        Bench { bootstraps: root.join(&arguments.bootstraps), root, cores, is_short: arguments.short };
    // The certificates and logs of earlier runs.
    ["trust", "log"].iter().for_each(|folder| drop(fs::remove_dir_all(bench.scratch().join(folder))));

    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut results = Results {
        command: format!("ringback-bench {}", words.join(" ")).trim().to_owned(),
        machine: Machine::look(&bench.root),
        had_a_core: cores.are_apart,
        rounds: if bench.is_short { 2 } else { arguments.rounds.max(1) },
        warm_callbacks: if bench.is_short { 100 } else { arguments.warm.max(1) },
        ..Results::default()
    };
    let out = arguments.out.as_ref().map(|out| bench.root.join(out));
    let json = out.clone().unwrap_or_else(|| bench.scratch().join("results")).with_extension("json");
    let began = Instant::now();
    let mut measure = |part: Part, name: &str, run: &dyn Fn(&mut Results) -> Result<()>| -> Result<()> {
        if arguments.has(part) {
            eprintln!("{:4.0} s  {name}", began.elapsed().as_secs_f64());
            run(&mut results).context(name.to_owned())?;
            // Part by part, so that one that fails does not take the others with it.
            fs::write(&json, serde_json::to_string_pretty(&results)? + "\n")?;
        }
        Ok(())
    };
    measure(Part::Starts, "starts", &|results| {
        let aws = Aws::start()?;
        let phones = Phones::start(&bench.scratch().join("phones"), 0, 0)?;
        let subjects = bench.subjects(&aws, &phones, &arguments.only, &arguments.also)?;
        peers::check(&bench, &aws, &subjects)?;
        starts::run(&bench, &aws, &subjects, !arguments.skip_held, results)
    })?;
    measure(Part::Calls, "calls", &|results| calls::run(&bench).map(|calls| results.calls = calls))?;
    measure(Part::Growth, "growth", &|results| {
        growth::run(&bench).map(|growth| results.growth = Some(growth))
    })?;
    measure(Part::Replay, "replay", &|results| {
        replay::run(&bench).map(|replay| results.replay = Some(replay))
    })?;
    measure(Part::Reading, "reading", &|results| {
        reading::run(&bench).map(|reading| results.reading = Some(reading))
    })?;

    match out {
        None => println!("{}", page::measured(&results)),
        Some(out) => {
            let known = fs::read_to_string(&out).with_context(|| out.display().to_string())?;
            let page = page::into_page(&known, &page::measured(&results));
            fs::write(&out, page.with_context(|| format!("{} has no place for figures", out.display()))?)?;
        }
    }
    // Others may fail at 7 % of a core, and the page says so. A function that does has failed the run.
    let has_failed = results.functions().any(|function| matches!(function.held, Some(Err(_))));
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
