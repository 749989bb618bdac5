//! Starts programs and ends every one of them, whatever happens in between.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use crate::error::StackError;

const TO_START: Duration = Duration::from_secs(30);
const TO_END: Duration = Duration::from_secs(3);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// The programs of one stack. The last one started is the first one ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Processes(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    running: Vec<Process>,
    /// Functions that end are started again, but not once the whole stack is ending.
    stopping: bool,
}

/// A program in its own process group, out of reach of the terminal's Ctrl-C.
#[derive(Clone, Debug)]
pub(crate) struct Process(Arc<Mutex<Child>>);

impl Process {
    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        lock(&self.0).try_wait().ok().flatten()
    }

    fn wait(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while self.ended().is_none() && Instant::now() < deadline {
            sleep(BETWEEN_LOOKS);
        }
    }

    fn signal(&self, signal: Signal) {
        let id = lock(&self.0).id();
        if let Some(group) = i32::try_from(id).ok().and_then(Pid::from_raw) {
            // A group that has ended already needs no signal.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Processes {
    /// Starts a program in its own process group.
    pub(crate) fn start(&self, command: &mut Command) -> Result<Process, StackError> {
        let mut state = lock(&self.0);
        if state.stopping {
            return Err(StackError::new("the local stack is stopping"));
        }
        let spawned = command.stdin(Stdio::null()).process_group(0).spawn();
        let child = spawned.map_err(|error| cannot_start(command, &error))?;
        let process = Process(Arc::new(Mutex::new(child)));
        state.running.push(process.clone());
        Ok(process)
    }

    /// Starts a program that writes to a log, and returns once it accepts connections on a port.
    pub(crate) fn start_server(
        &self,
        what: &str,
        command: &mut Command,
        port: u16,
        log: &Path,
    ) -> Result<(), StackError> {
        let output = File::create(log)?;
        let process = self.start(command.stdout(output.try_clone()?).stderr(output))?;
        let deadline = Instant::now() + TO_START;
        while process.ended().is_none() && Instant::now() < deadline {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(());
            }
            sleep(BETWEEN_LOOKS);
        }
        Err(StackError::new(format!("{what} does not start:{}", last_lines(log))))
    }

    pub(crate) fn are_stopping(&self) -> bool {
        lock(&self.0).stopping
    }

    /// Ends all programs and what they started, gently at first. A second caller waits for the first.
    pub(crate) fn stop(&self) {
        let mut state = lock(&self.0);
        state.stopping = true;
        // The id of a program that ended long ago may be another program's by now.
        let running: Vec<_> = state.running.drain(..).rev().filter(|each| each.ended().is_none()).collect();
        running.iter().for_each(|each| each.signal(Signal::TERM));
        let deadline = Instant::now() + TO_END;
        for each in running {
            each.wait(deadline.saturating_duration_since(Instant::now()));
            // Also when the program itself has ended: its children may not have.
            each.signal(Signal::KILL);
            each.wait(TO_END);
        }
    }
}

pub(crate) fn cannot_start(command: &Command, error: &std::io::Error) -> StackError {
    StackError::new(format!("cannot start {}: {error}", command.get_program().to_string_lossy()))
}

/// A thread that panicked leaves data behind that is still good for ending the stack.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A command without the caller's AWS settings: nothing here may reach a real account, or depend on one.
pub(crate) fn command(program: impl Into<PathBuf>) -> Command {
    let mut command = Command::new(program.into());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    let direct = std::env::var("no_proxy").or_else(|_| std::env::var("NO_PROXY")).unwrap_or_default();
    let direct = format!("{direct},127.0.0.1");
    command
        .envs([("AWS_CONFIG_FILE", "/dev/null"), ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")])
        // Requests to this machine must not go through a proxy.
        .envs([("NO_PROXY", direct.trim_start_matches(',')), ("no_proxy", direct.trim_start_matches(','))]);
    command
}

/// The port that a variable names, when it is free.
pub(crate) fn port_from_environment(variable: &str, default: u16) -> Result<u16, StackError> {
    let text = std::env::var(variable).unwrap_or_else(|_| default.to_string());
    let port = text.parse().ok().filter(|port| *port > 0);
    let port = port.ok_or_else(|| StackError::new(format!("{variable}={text} is not a port")))?;
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
        StackError::new(format!(
            "port {text} is not free ({error}): is a stack running already? \
             Choose another port with {variable}"
        ))
    })?;
    Ok(port)
}

/// A port that is free at the moment.
pub(crate) fn free_port() -> Result<u16, StackError> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A path relative to the current folder.
pub(crate) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

/// The last lines of a log, where programs say why they gave up.
pub(crate) fn last_lines(log: &Path) -> String {
    let text = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
    let lines: Vec<String> = text.lines().map(in_words).filter(|line| !line.is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(4)..).unwrap_or_default();
    let said =
        if last.is_empty() { " it printed nothing".into() } else { format!("\n  {}", last.join("\n  ")) };
    format!("{said}\nThe whole log is {}", shown(log))
}

/// A log line as text; empty when it only reports a request.
pub(crate) fn in_words(line: &str) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str(line) else { return line.trim_end().to_owned() };
    let words = ["message", "error", "errorMessage"].map(|name| fields.get(name).and_then(Value::as_str));
    match words {
        [Some("callback" | "replay"), ..] => String::new(),
        [None, None, None] => line.to_owned(),
        words => words.into_iter().flatten().collect::<Vec<_>>().join(": "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_ends_with_all_that_it_started() {
        let processes = Processes::default();
        let mut command = command("sh");
        // The shell ends at once and leaves a child behind that takes no TERM.
        command.args(["-c", "trap '' TERM; sleep 60 & echo $!; wait"]).stdout(Stdio::piped());
        let process = processes.start(&mut command).unwrap();
        let mut output = std::io::BufReader::new(lock(&process.0).stdout.take().unwrap());
        std::io::BufRead::read_line(&mut output, &mut String::new()).unwrap();
        processes.stop();
        // The child has the other end of the pipe, which closes with it.
        let stopped = Instant::now();
        std::io::Read::read_to_end(&mut output, &mut Vec::new()).unwrap();
        assert!(stopped.elapsed() < Duration::from_secs(30), "it ran on");
        assert!(processes.start(&mut Command::new("true")).is_err());
    }

    #[test]
    fn a_log_says_in_its_last_lines_why_a_program_gave_up() {
        let log = std::env::temp_dir().join(format!("ringback-log-{}", std::process::id()));
        std::fs::write(
            &log,
            "1\n2\n3\n4\n{\"message\":\"callback\"}\n{\"message\":\"no\",\"error\":\"why\"}\n",
        )
        .unwrap();
        let said = last_lines(&log);
        assert!(said.starts_with("\n  2\n  3\n  4\n  no: why\nThe whole log is "), "{said}");
        std::fs::remove_file(&log).unwrap();
        assert!(last_lines(&log).starts_with(" it printed nothing"));
    }
}
