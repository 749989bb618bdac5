//! `ringback-bench --out docs/performance.md`: measures the functions and writes the page. It needs the release builds that `make bench` makes first.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use ringback_bench::arguments::{Arguments, Part};
use ringback_bench::aws_stub::AwsStub;
use ringback_bench::catalogue::{Entry, Kind, Places};
use ringback_bench::cores::Cores;
use ringback_bench::error::BenchError;
use ringback_bench::growth::{self, Ground};
use ringback_bench::machine::Machine;
use ringback_bench::measure::{self, Aws, Held, Plan};
use ringback_bench::package::Weight;
use ringback_bench::results::Results;
use ringback_bench::{chart, replay, report, usage};

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ringback-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, BenchError> {
    let arguments = Arguments::parse(std::env::args_os().skip(1))?;
    // Before there is any other thread, because threads inherit it.
    let cores = Cores::part().map_err(BenchError::io("put the harness on a core of its own"))?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let places = Places {
        bootstraps: root.join(&arguments.bootstraps),
        scratch: root.join("target/bench"),
        root: root.canonicalize().unwrap_or(root),
    };
    // The certificates of earlier runs' stubs.
    let _ = fs::remove_dir_all(places.scratch.join("trust"));
    let began = Instant::now();
    let mut progress = |what: &str| eprintln!("{:4.0} s  {what}", began.elapsed().as_secs_f64());
    let results = measured(&arguments, &places, cores, &mut progress)?;
    progress("done");
    write_page(&arguments, &places, &results)?;
    Ok(if ours_always_answered(&results) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measured(
    arguments: &Arguments,
    places: &Places,
    cores: Cores,
    progress: &mut dyn FnMut(&str),
) -> Result<Results, BenchError> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut results = Results {
        machine: Machine::look(&places.root),
        command: format!("ringback-bench {}", words.join(" ")).trim().to_owned(),
        apart: cores != Cores::Shared,
        rounds: arguments.rounds,
        warm_calls: arguments.warm_calls,
        figures: Vec::new(),
        held: Held::Skipped,
        growth: None,
        replay: None,
        usage: None,
    };
    let cases = ringback_cases::write().map_err(|wrong| BenchError::Usage(wrong.to_string()))?;
    if arguments.part.has(Part::Starts) {
        let aws = Aws::start()?;
        let entries = places.entries(&aws.stub, &arguments.only, &arguments.also)?;
        let plan = Plan { rounds: arguments.rounds, warm_calls: arguments.warm_calls, cores };
        progress("packing");
        let weights = weights(&entries, places)?;
        results.figures = measure::starts_and_calls(&entries, &weights, &aws, plan, progress)?;
        if arguments.throttled {
            results.held = measure::held(&entries, &aws, plan, progress);
        }
        // Kept part by part, so that one that fails does not take the others with it.
        keep_json(arguments, places, &results)?;
    }
    let subject = |function: &str, stub: &AwsStub| places.function(function, stub);
    let ground = Ground { subject: &subject, events: &cases, cores };
    if arguments.part.has(Part::Growth) {
        progress("growth");
        results.growth = Some(growth::run(&ground)?);
        keep_json(arguments, places, &results)?;
    }
    if arguments.part.has(Part::Replay) {
        progress("replay");
        results.replay = Some(replay::run(&ground)?);
        keep_json(arguments, places, &results)?;
    }
    if arguments.part.has(Part::Usage) {
        progress("usage");
        results.usage = Some(usage::run(&ground)?);
        keep_json(arguments, places, &results)?;
    }
    Ok(results)
}

fn weights(entries: &[Entry], places: &Places) -> Result<BTreeMap<String, Weight>, BenchError> {
    let weigh = |entry: &Entry| {
        let name = entry.subject.name.clone();
        let weight = entry.deployed.weigh(&places.scratch.join("packed").join(&name))?;
        Ok((name, weight))
    };
    entries.iter().map(weigh).collect()
}

fn keep(path: &Path, text: &str) -> Result<(), BenchError> {
    let cannot = || BenchError::io(format!("write {}", path.display()));
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(cannot())?;
    fs::write(path, text).map_err(cannot())
}

fn keep_json(arguments: &Arguments, places: &Places, results: &Results) -> Result<(), BenchError> {
    let json = serde_json::to_string_pretty(results).unwrap_or_default();
    keep(&places.root.join(&arguments.json), &(json + "\n"))
}

fn write_page(arguments: &Arguments, places: &Places, results: &Results) -> Result<(), BenchError> {
    let Some(page) = arguments.out.as_ref().map(|out| places.root.join(out)) else {
        println!("{}", report::measured(results, None));
        return Ok(());
    };
    let picture: PathBuf = page.with_extension("svg");
    let name = picture.file_name().map(|name| name.to_string_lossy().into_owned());
    if let Some(svg) = chart::svg(results) {
        keep(&picture, &svg)?;
    }
    if let Some(figured) = usage::figured(results) {
        let json = serde_json::to_string_pretty(&figured).unwrap_or_default();
        keep(&page.with_extension("json"), &(json + "\n"))?;
    }
    let known = fs::read_to_string(&page).unwrap_or_else(|_| report::EMPTY_PAGE.to_owned());
    let text = report::into_page(&known, &report::measured(results, name.as_deref()));
    let text = text.ok_or_else(|| BenchError::Unreadable {
        path: page.clone(),
        what: "it has no place for what was measured".to_owned(),
    })?;
    keep(&page, &text)
}

/// Others may fail at 7 % of a core, and the report says so. A function of ours that does has failed the run.
fn ours_always_answered(results: &Results) -> bool {
    let Held::Measured(held) = &results.held else { return true };
    let is_ours =
        |name: &str| results.figures.iter().any(|figures| figures.name == name && figures.kind == Kind::Function);
    held.iter().all(|figures| figures.trouble.is_none() || !is_ours(&figures.name))
}
