//! What is measured: a program that asks a Runtime API for events, and its process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cores::Cores;
use crate::error::BenchError;
use crate::runtime_api::{Invocation, RuntimeApi};

/// What is told of a process that ended by itself.
const LAST_WORDS: usize = 1_200;
const BETWEEN_TWO_LOOKS: Duration = Duration::from_millis(100);

/// A program and what it needs to run as a function.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its name in the report.
    pub name: String,
    /// What to run.
    pub program: PathBuf,
    /// With which arguments.
    pub arguments: Vec<OsString>,
    /// Where it runs; where the harness does if it does not matter.
    pub folder: Option<PathBuf>,
    /// Its whole environment but for what tells it of the Runtime API: nothing of the reader's shell may make it work or slow it down.
    pub environment: BTreeMap<String, OsString>,
    /// Where what it prints goes: a file, so that nobody has to read along.
    pub log: PathBuf,
}

/// A subject's process with a Runtime API of its own. It is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    name: String,
    log: PathBuf,
    child: Child,
    api: RuntimeApi,
    spawned_at: Instant,
}

impl Subject {
    /// Starts it on the functions' core.
    ///
    /// # Errors
    /// [`BenchError::Io`] when it cannot be started.
    pub fn start(&self, cores: Cores) -> Result<Running, BenchError> {
        self.start_by(|command| cores.spawn(command))
    }

    /// Starts it on the cores of the functions and the harness.
    ///
    /// # Errors
    /// [`BenchError::Io`] when it cannot be started.
    pub fn start_anywhere(&self, cores: Cores) -> Result<Running, BenchError> {
        self.start_by(|command| cores.spawn_anywhere(command))
    }

    fn start_by(
        &self,
        spawn: impl FnOnce(&mut Command) -> io::Result<(Instant, Child)>,
    ) -> Result<Running, BenchError> {
        let cannot = || BenchError::io(format!("start {} ({})", self.name, self.program.display()));
        let api = RuntimeApi::start().map_err(cannot())?;
        if let Some(folder) = self.log.parent() {
            fs::create_dir_all(folder).map_err(cannot())?;
        }
        let log = File::create(&self.log).map_err(cannot())?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .env("AWS_LAMBDA_RUNTIME_API", api.address().to_string())
            .stdin(Stdio::null())
            .stderr(log.try_clone().map_err(cannot())?)
            .stdout(log);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let (spawned_at, child) = spawn(&mut command).map_err(cannot())?;
        Ok(Running { name: self.name.clone(), log: self.log.clone(), child, api, spawned_at })
    }
}

impl Running {
    /// Just before the process was made.
    pub fn spawned_at(&self) -> Instant {
        self.spawned_at
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end of INIT: the first request for an event.
    ///
    /// # Errors
    /// [`BenchError::Ended`] or [`BenchError::TimedOut`].
    pub fn wait_for_init(&mut self, timeout: Duration) -> Result<Instant, BenchError> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(at) = self.api.wait_for_poll(BETWEEN_TWO_LOOKS.min(timeout)) {
                return Ok(at);
            }
            if let Some(status) = self.child.try_wait().map_err(BenchError::io("look after a process"))? {
                return Err(BenchError::Ended {
                    subject: self.name.clone(),
                    status: status.to_string(),
                    said: self.last_words(),
                });
            }
            if Instant::now() >= deadline {
                return Err(self.timed_out("the first request for an event"));
            }
        }
    }

    /// Hands an event over and waits for the answer, and then until the function asks for the next event: what it still does after
    /// the answer belongs to it.
    ///
    /// # Errors
    /// As [`RuntimeApi::invoke`], with the subject's name and what it said last.
    pub fn invoke(&self, event: &[u8], timeout: Duration) -> Result<Invocation, BenchError> {
        let invocation = self.api.invoke(event, timeout).map_err(|error| match error {
            BenchError::TimedOut(what) => self.timed_out(&what),
            other => BenchError::Wrong { subject: self.name.clone(), what: other.to_string() },
        })?;
        if !self.api.wait_until_idle(timeout) {
            return Err(self.timed_out("the request for the next event"));
        }
        Ok(invocation)
    }

    fn timed_out(&self, what: &str) -> BenchError {
        BenchError::TimedOut(format!("{}: {what} ({})", self.name, self.last_words()))
    }

    /// The CPU time of the whole process until now, threads that have ended included: the process's own clock, which counts nanoseconds.
    ///
    /// # Errors
    /// When the process is gone, or where there is no such clock.
    pub fn cpu(&self) -> io::Result<Duration> {
        cpu_of(self.id())
    }

    /// The memory that the process has in RAM.
    ///
    /// # Errors
    /// When the process is gone, or where there is no `/proc`.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB"));
        let kilobytes: Option<u64> = kilobytes.and_then(|text| text.trim().parse().ok());
        kilobytes.map(|count| count * 1024).ok_or_else(|| io::Error::other("no VmRSS in /proc"))
    }

    /// The end of what it printed.
    pub fn last_words(&self) -> String {
        last_words(&self.log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(target_os = "linux")]
fn cpu_of(id: u32) -> io::Result<Duration> {
    use nix::time::ClockId;
    use nix::unistd::Pid;

    let id = i32::try_from(id).map_err(io::Error::other)?;
    Ok(ClockId::pid_cpu_clock_id(Pid::from_raw(id))?.now()?.into())
}

#[cfg(not(target_os = "linux"))]
fn cpu_of(_: u32) -> io::Result<Duration> {
    Err(io::ErrorKind::Unsupported.into())
}

fn last_words(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let end = text.get(text.len().saturating_sub(LAST_WORDS)..).unwrap_or_default();
    let words = String::from_utf8_lossy(end).trim().to_owned();
    if words.is_empty() { "it printed nothing".to_owned() } else { words }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn shell(name: &str, script: &str) -> Subject {
        Subject {
            name: name.to_owned(),
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            folder: None,
            environment: BTreeMap::new(),
            log: std::env::temp_dir().join(format!("ringback-bench-{}-{name}.log", std::process::id())),
        }
    }

    #[test]
    fn a_process_that_ends_before_its_first_poll_is_told_with_its_last_words() {
        let mut running = shell("stumbles", "echo AWS_REGION is missing; exit 3").start(Cores::Shared).unwrap();
        let error = running.wait_for_init(Duration::from_secs(5)).unwrap_err().to_string();
        assert!(
            error.contains("stumbles") && error.contains('3') && error.contains("AWS_REGION is missing"),
            "{error}"
        );
    }

    #[test]
    fn the_clock_of_a_process_counts_what_it_burns_and_not_what_it_sleeps() {
        let burning = shell("burns", "while :; do :; done").start(Cores::Shared).unwrap();
        let sleeping = shell("sleeps", "exec sleep 60").start(Cores::Shared).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while burning.cpu().unwrap() < Duration::from_millis(200) {
            assert!(Instant::now() < deadline, "the clock stands still");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(sleeping.cpu().unwrap() < Duration::from_millis(100));
        assert!(sleeping.resident_bytes().unwrap() > 4096);
    }
}
