//! A function's process: where it runs, what it takes, and the share of a core that it may be held to.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::time::ClockId;
use nix::unistd::Pid;
use ringback_tests::control_plane::{Function, Reply};
use serde_json::Value;

use crate::subject::Subject;

const THIS_THREAD: Pid = Pid::from_raw(0);
/// Even Python held to 7 % of a core takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(30);
const LAST_WORDS: usize = 1_200;

/// Which cores run what: the functions on one and the harness on another, so that neither takes the other's
/// time.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    harness: CpuSet,
    functions: CpuSet,
    all: CpuSet,
    /// Whether there are two.
    pub are_apart: bool,
}

impl Cores {
    /// Keeps this thread, and all that it starts later, to the first core. Other threads must not run yet.
    pub fn part() -> Result<Self> {
        let shared = Self::shared()?;
        let mut cores = (0..CpuSet::count()).filter(|core| shared.all.is_set(*core).unwrap_or(false));
        let (Some(first), Some(last)) = (cores.next(), cores.next_back()) else { return Ok(shared) };
        let [mut harness, mut functions] = [CpuSet::new(); 2];
        harness.set(first)?;
        functions.set(last)?;
        sched_setaffinity(THIS_THREAD, &harness)?;
        Ok(Self { harness, functions, all: shared.all, are_apart: true })
    }

    /// Everything runs where the system puts it.
    pub fn shared() -> Result<Self> {
        let all = sched_getaffinity(THIS_THREAD)?;
        Ok(Self { harness: all, functions: all, all, are_apart: false })
    }

    /// A process inherits the cores of the thread that makes it.
    fn spawn(&self, command: &mut Command, on: &CpuSet) -> io::Result<(Instant, Child)> {
        sched_setaffinity(THIS_THREAD, on)?;
        let spawned_at = Instant::now();
        let child = command.spawn();
        sched_setaffinity(THIS_THREAD, &self.harness)?;
        Ok((spawned_at, child?))
    }
}

/// Where a process runs.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    OnTheFunctionsCore,
    OnAllCores,
    /// On the functions' core, in a group that can be held to a share of it.
    In(&'a Hold),
}

/// A subject's process.
#[derive(Debug)]
pub struct Running {
    name: String,
    pub function: Function,
    log: PathBuf,
}

impl Running {
    /// Starts a subject. What it prints goes to a file, so that no reader takes time.
    pub fn start(subject: &Subject, log: PathBuf, cores: &Cores, place: Place<'_>) -> Result<Self> {
        let what = || format!("start {} ({})", subject.name, subject.program.display());
        fs::create_dir_all(log.parent().with_context(what)?)?;
        let output = File::create(&log)?;
        let mut command = match place {
            // Born in the group: to move a running process takes the kernel milliseconds.
            Place::In(hold) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", r#"echo $$ > "$0"; exec "$@""#]).arg(hold.folder.join("cgroup.procs"));
                shell.arg(&subject.program);
                shell
            }
            Place::OnTheFunctionsCore | Place::OnAllCores => Command::new(&subject.program),
        };
        command.args(&subject.arguments).env_clear().envs(&subject.environment);
        command.stdin(Stdio::null()).stderr(output.try_clone()?).stdout(output);
        if let Some(folder) = &subject.folder {
            command.current_dir(folder);
        }
        let on = if matches!(place, Place::OnAllCores) { &cores.all } else { &cores.functions };
        let function = Function::spawn(command, |command| cores.spawn(command, on)).with_context(what)?;
        let running = Self { name: subject.name.clone(), function, log };
        running.init()?;
        Ok(running)
    }

    /// From the start of the process until it first asked for an event.
    pub fn init(&self) -> Result<Duration> {
        let Some(asked) = self.function.first_asked() else {
            bail!("{} did not ask for an event; {}", self.name, self.last_words())
        };
        Ok(asked.duration_since(self.function.spawned_at))
    }

    /// Hands over an event and waits for the answer, and then until the function asks for the next event:
    /// what it still does after its answer belongs to it.
    pub fn hand_over(&self, event: &str) -> Result<(Value, Duration)> {
        self.must_ask()?;
        let handed = self.function.hand_over(event);
        let reply = self.function.reply(handed, PATIENCE);
        self.must_ask()?;
        match reply {
            Reply::Response(answer, took) => Ok((answer, took)),
            Reply::Failed(report) => bail!("{} reported {report}; {}", self.name, self.last_words()),
            Reply::Nothing => bail!("{} did not answer; {}", self.name, self.last_words()),
        }
    }

    fn must_ask(&self) -> Result<()> {
        let asks = self.function.wait_until_it_asks();
        ensure!(asks, "{} did not ask for an event; {}", self.name, self.last_words());
        Ok(())
    }

    /// The same for a callback that must be answered with this status and be work: neither spooled nor known
    /// already.
    pub fn call(&self, event: &str, status: u64) -> Result<(Value, Duration)> {
        let (answer, took) = self.hand_over(event)?;
        let body = answer.get("body").and_then(Value::as_str).unwrap_or_default();
        let is_work = !["deferred", "duplicate", "ignored"].iter().any(|word| body.contains(word));
        let is_right = answer.get("statusCode").and_then(Value::as_u64) == Some(status) && is_work;
        ensure!(is_right, "{} answered {answer}; {}", self.name, self.last_words());
        Ok((answer, took))
    }

    /// The CPU time of all its threads until now.
    pub fn cpu(&self) -> Result<Duration> {
        let id = Pid::from_raw(i32::try_from(self.function.id())?);
        Ok(ClockId::pid_cpu_clock_id(id)?.now()?.into())
    }

    /// Its memory in RAM.
    pub fn resident_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.function.id()))?;
        let kilobytes =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB"));
        Ok(kilobytes.context("no VmRSS")?.trim().parse::<u64>()? * 1024)
    }

    /// Lines that it printed so far, and their bytes without the ends of the lines.
    pub fn printed(&self) -> Result<(usize, usize)> {
        let text = fs::read(&self.log)?;
        let lines = text.iter().filter(|byte| **byte == b'\n').count();
        Ok((lines, text.len() - lines))
    }

    /// The end of what it printed.
    pub fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let end = text.get(text.len().saturating_sub(LAST_WORDS)..).unwrap_or_default();
        format!("it printed: {}", String::from_utf8_lossy(end).trim())
    }
}

/// 128 MB of the 1,769 MB that buy a whole core.
pub const PERCENT_OF_A_CORE: u64 = 7;
/// Lambda deals out shares in periods of this length.
const PERIOD_US: u64 = 20_000;

/// A control group, by which the kernel holds a process to a share of a core.
#[derive(Debug)]
pub struct Hold {
    folder: PathBuf,
    is_version_2: bool,
}

impl Hold {
    /// A group that does not hold yet, on a machine that allows one.
    pub fn make() -> Result<Self> {
        let roots = [
            ("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us"),
            ("/sys/fs/cgroup/cpu,cpuacct", "cpu.cfs_quota_us"),
            ("/sys/fs/cgroup", "cgroup.controllers"),
        ]
        .map(|(root, file)| (PathBuf::from(root), file));
        let found = roots.iter().find(|(root, file)| root.join(file).exists());
        let (root, file) = found.context("no control groups for the CPU")?;
        let hold = Self { folder: root.join("ringback-bench"), is_version_2: *file == "cgroup.controllers" };
        if hold.is_version_2 {
            fs::write(root.join("cgroup.subtree_control"), "+cpu")
                .context("hand the CPU to control groups")?;
        }
        fs::create_dir_all(&hold.folder).context("make a control group")?;
        if !hold.is_version_2 {
            fs::write(hold.folder.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
        }
        hold.let_go()?;
        Ok(hold)
    }

    /// From now on, the group has its share of a core.
    pub fn hold(&self) -> Result<()> {
        self.allow(Some(PERIOD_US * PERCENT_OF_A_CORE / 100))
    }

    /// From now on, the group may have all of it.
    pub fn let_go(&self) -> Result<()> {
        self.allow(None)
    }

    fn allow(&self, microseconds: Option<u64>) -> Result<()> {
        let quota = |unlimited: &str| microseconds.map_or(unlimited.to_owned(), |quota| quota.to_string());
        let (file, text) = if self.is_version_2 {
            ("cpu.max", format!("{} {PERIOD_US}", quota("max")))
        } else {
            ("cpu.cfs_quota_us", quota("-1"))
        };
        fs::write(self.folder.join(file), text).context("set the share of a core")
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // The kernel may take a moment to see that the group is empty.
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
