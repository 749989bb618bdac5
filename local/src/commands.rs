//! What the commands do.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{park, sleep, spawn};
use std::time::{Duration, Instant};

use ringback_cases::{all, calls};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::signal::unix::{SignalKind, signal};

use crate::cases::{is_published, is_recorded, miscounted, people, play_all, play_call};
use crate::error::StackError;
use crate::functions::Printed;
use crate::history;
use crate::processes::{Processes, cannot_start, command, free_port, port_from_environment, shown};
use crate::show;
use crate::stack::{SAMPLES_OWN, Settings, Stack, root};

const EXAMPLE: &str = "events/notify/audio-call.json";
const DEFAULT_PORT: u16 = 9000;

/// Starts the stack, plays the cases, and serves until it is interrupted.
pub(crate) fn run() -> Result<ExitCode, StackError> {
    let aws_port = port_from_environment("RINGBACK_AWS_PORT", 4566)?;
    let port = port_from_environment("RINGBACK_PORT", DEFAULT_PORT)?;
    if port == aws_port {
        return Err(StackError::new(format!("RINGBACK_PORT and RINGBACK_AWS_PORT are both {port}")));
    }
    let settings = settings(".local", (port, aws_port), 1);
    let guard = Guard::new(settings.env_file())?;
    let began = Instant::now();
    let stack = Stack::start(settings, &guard.processes)?;
    let (lines, _) = first_screen(&stack, began.elapsed(), || {
        stack.write_env_file()?;
        let console = history::start_console(&stack, &guard.processes)?;
        Ok([history(&stack, Some(&console))?, what_next(&stack)].concat())
    })?;
    println!("{}", lines.join("\n"));
    guard.is_serving.store(true, Ordering::SeqCst);
    loop {
        for function in &stack.functions {
            while let Some(printed) = stack.running.next_line(&function.name) {
                println!("{}", serving_line(&function.name, &printed, &stack));
            }
        }
        sleep(Duration::from_millis(100));
    }
}

/// Plays the cases on a separate stack, on free ports; fails if one ended differently.
pub(crate) fn run_once() -> Result<ExitCode, StackError> {
    let settings = settings(".local/test", (free_port()?, free_port()?), 1);
    let guard = Guard::new(settings.env_file())?;
    let began = Instant::now();
    let stack = Stack::start(settings, &guard.processes)?;
    let (lines, different) = first_screen(&stack, began.elapsed(), || history(&stack, None))?;
    println!("{}", lines.join("\n"));
    Ok(ExitCode::from(u8::from(different > 0)))
}

/// Runs a command with a separate stack, on free ports, and exits as the command does.
pub(crate) fn execute(words: &[String], replays: bool) -> Result<ExitCode, StackError> {
    let mut settings = settings(".local/test", (free_port()?, free_port()?), 3);
    // Tests start notify with keys of their own, and callbacks to this one are answered as without keys.
    settings.rings = false;
    settings.holds_stream = false;
    settings.replays = replays;
    let mut guard = Guard::new(settings.env_file())?;
    let stack = Stack::start(settings, &guard.processes)?;
    stack.write_env_file()?;
    let (program, arguments) = words.split_first().ok_or_else(|| StackError::new("run which command?"))?;
    let mut run = command(program);
    run.args(arguments).envs(stack.variables.iter().cloned()).envs([
        ("RINGBACK_STACK_ENV", stack.settings.env_file().display().to_string()),
        ("RINGBACK_STACK_PID", std::process::id().to_string()),
    ]);
    // It shares the terminal, unlike the stack's own programs.
    let mut process = run.spawn().map_err(|error| cannot_start(&run, &error))?;
    guard.ends_too(process.id());
    let status = process.wait()?;
    guard.wait_if_interrupted();
    // As in a shell: 128 plus the number of the signal.
    let code = status.code().or(status.signal().map(|number| 128 + number)).unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

fn settings(folder: &str, (port, aws_port): (u16, u16), instances: usize) -> Settings {
    let root = root();
    let folder = root.join(folder);
    Settings { root, folder, port, aws_port, instances, replays: true, holds_stream: true, rings: true }
}

/// Ends the stack, whether the command is done, fails or is interrupted.
struct Guard {
    processes: Processes,
    env_file: PathBuf,
    is_serving: Arc<AtomicBool>,
    is_interrupted: Arc<AtomicBool>,
    command: mpsc::Sender<u32>,
}

impl Guard {
    fn new(env_file: PathBuf) -> Result<Self, StackError> {
        // One that was left behind describes a stack that is gone.
        let _ = std::fs::remove_file(&env_file);
        let (command, commands) = mpsc::channel();
        let guard = Self {
            processes: Processes::default(),
            env_file,
            is_serving: Arc::default(),
            is_interrupted: Arc::default(),
            command,
        };
        let (processes, env_file) = (guard.processes.clone(), guard.env_file.clone());
        let (serving, interrupted) = (Arc::clone(&guard.is_serving), Arc::clone(&guard.is_interrupted));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        // Under nohup the stack outlives its terminal.
        if !ignores_hangup() {
            kinds.push(SignalKind::hangup());
        }
        let entered = runtime.enter();
        let mut signals = kinds.into_iter().map(signal).collect::<Result<Vec<_>, _>>()?;
        drop(entered);
        spawn(move || {
            runtime.block_on(async {
                std::future::poll_fn(|context| {
                    let mut ready = signals.iter_mut().map(|signal| signal.poll_recv(context).is_ready());
                    if ready.any(|ready| ready) {
                        std::task::Poll::Ready(())
                    } else {
                        std::task::Poll::Pending
                    }
                })
                .await;
            });
            interrupted.store(true, Ordering::SeqCst);
            let is_serving = serving.load(Ordering::SeqCst);
            if is_serving {
                println!("\nThe local stack is stopping.");
            }
            if let Ok(id) = commands.try_recv() {
                end(id);
            }
            stop(&processes, &env_file);
            std::process::exit(if is_serving { 0 } else { 130 });
        });
        Ok(guard)
    }

    /// A command that ends with the stack.
    fn ends_too(&mut self, id: u32) {
        // Without a receiver the stack is ending already.
        let _ = self.command.send(id);
    }

    /// The thread that was told of a signal ends the program.
    fn wait_if_interrupted(&self) {
        while self.is_interrupted.load(Ordering::SeqCst) {
            park();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        stop(&self.processes, &self.env_file);
    }
}

fn stop(processes: &Processes, env_file: &std::path::Path) {
    // It may never have been written.
    let _ = std::fs::remove_file(env_file);
    processes.stop();
}

/// Ends a command, gently at first. The main thread waits for it.
fn end(id: u32) {
    let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) else { return };
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut signal = Signal::TERM;
    while kill_process(id, signal).is_ok() && signal == Signal::TERM {
        while test_kill_process(id).is_ok() && Instant::now() < deadline {
            sleep(Duration::from_millis(10));
        }
        signal = Signal::KILL;
    }
}

/// Whether this program was started with HUP ignored. Where there is no /proc, it was not.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // HUP is signal number 1, the lowest bit.
    mask.is_some_and(|mask| mask & 1 == 1)
}

/// Plays every case. Returns what to print, and how many things are different from what is expected.
fn first_screen(
    stack: &Stack,
    took: Duration,
    tail: impl FnOnce() -> Result<Vec<String>, StackError>,
) -> Result<(Vec<String>, usize), StackError> {
    let wrong = |error: ringback_cases::Wrong| StackError::new(error.to_string());
    let (calls, cases) = (calls().map_err(wrong)?, all().map_err(wrong)?);
    stack.register(&people(&cases, &calls))?;
    let (mut results, mut every, mut told, mut differences) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for call in &calls {
        let (played, differs) = play_call(call, stack)?;
        let story = show::story(call, &played);
        if !differs.is_empty() {
            differences.push(format!("{}{}", story.join("\n"), show::different(&differs)));
        }
        if call.told {
            told.push(story.clone());
        }
        every.push(story);
        results.extend(played);
    }
    let played = play_all(&cases, stack)?;
    for (function, played) in played {
        let mut lines = vec![function.clone()];
        let names = cases.iter().filter(|case| case.function() == function).map(|case| &case.name);
        for (name, (result, differs)) in names.zip(played) {
            let name = name.rsplit('/').next().unwrap_or_default();
            let line = show::line(name, &result, &differs);
            if !differs.is_empty() {
                differences.push(format!("{function}\n{line}"));
            }
            lines.push(line);
            results.push(result);
        }
        every.push(lines);
    }
    let handled = results.iter().flat_map(|result| &result.handled);
    differences.extend(miscounted(handled, stack.count_records()?));

    let events: Vec<_> =
        calls.iter().filter(|call| call.told).flat_map(|call| &call.steps).map(|step| &step.event).collect();
    let others = cases.iter().filter(|case| !events.contains(&&case.event)).count();
    let (whole, different) = (calls.len() - told.len(), differences.len());
    let counted = if different == 0 { "none".to_owned() } else { different.to_string() };
    let mut summary = format!("{others} more callbacks and {whole} more whole calls: {counted} different.");
    let head = format!(
        "Ringback is up after {:.1} s: {} functions; {}.",
        took.as_secs_f64(),
        stack.functions.len(),
        stack.store.description()
    );
    let tail = tail()?;
    let of_others = |(name, own): &(&str, &str)| std::env::var(name).is_ok_and(|value| value != **own);
    if std::env::var("ALL").is_ok_and(|all| !all.is_empty()) {
        let stories = every.into_iter().flat_map(|story| [vec![String::new()], story].concat());
        let lines = [head].into_iter().chain(stories).chain([String::new()]).chain(differences);
        return Ok((lines.chain([summary]).chain(tail).collect(), different));
    }
    if different == 0 {
        summary.push_str(" `make run ALL=yes` shows each.");
    } else if SAMPLES_OWN.iter().any(of_others) {
        let names = SAMPLES_OWN.map(|(name, _)| name).join(" and ");
        summary.push_str(&format!(" They are written for {names} of their own."));
    }
    let end = differences.into_iter().chain([summary]).chain(tail).collect();
    Ok((show::screen(head, &told, end), different))
}

/// What readers of calls see after the stories.
fn history(stack: &Stack, console: Option<&str>) -> Result<Vec<String>, StackError> {
    stack.feed.catch_up(history::TO_CATCH_UP);
    let mut lines = vec!["Seen by readers, from the stream of the records:".to_owned()];
    lines.extend(history::lines(stack)?);
    lines.extend(console.map(|url| format!("  the console      {url}")));
    Ok(lines)
}

/// What a person can do now.
fn what_next(stack: &Stack) -> Vec<String> {
    let port = stack.settings.port;
    let address = if stack.serves_ipv6 { "" } else { " --invoke-address 127.0.0.1" };
    let port = if port == DEFAULT_PORT { String::new() } else { format!(" -P {port}") };
    vec![
        "Send callbacks of your own from another terminal; each prints a line here. Ctrl-C stops everything."
            .into(),
        format!("  . {}; export PATH=$PWD/.local/venv/bin:$PATH", shown(&stack.settings.env_file())),
        "  curl \"$CALLBACK_URL/line/agent_call_status?sid=try-1&agent_type=AUDIO_CALLER&result=SUCCESS\""
            .into(),
        format!("  cargo lambda invoke{address}{port} notify --data-file {EXAMPLE}"),
    ]
}

/// What a person sees of a line that a function prints.
fn serving_line(function: &str, printed: &Printed, stack: &Stack) -> String {
    let fields = match printed {
        Printed::Handled(fields) => fields,
        Printed::Trouble(trouble) => {
            let log = shown(&stack.running.log(function));
            return format!("{function}: {} (see {log})", show::clean(trouble));
        }
    };
    let text = |name: &str| fields.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
    // An emulator that does not answer shows in the functions' own lines.
    let became = if text("callback") == "notify" {
        let jobs = stack.take_jobs(u8::from(is_published(text("outcome")))).unwrap_or_default();
        let rings = stack.phones.take();
        let lines = rings.iter().map(show::ring_line).chain(jobs.iter().map(show::job_line));
        lines.collect::<Vec<_>>().join("; ")
    } else if is_recorded(text("outcome")) {
        stack.call(text("sid")).ok().flatten().map_or_else(String::new, |call| show::call_line(&call))
    } else {
        String::new()
    };
    show::log_line(fields, &became)
}
