//! Which core runs what: the functions on one and the harness on another, so that neither takes the other's time.

use std::io;
use std::process::{Child, Command};
use std::time::Instant;

/// How the cores are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cores {
    /// The functions have this core to themselves.
    Apart {
        /// The functions'.
        functions: usize,
        /// That of the harness, with the Runtime API and the stubs.
        harness: usize,
    },
    /// Everything runs wherever the system puts it.
    Shared,
}

#[cfg(target_os = "linux")]
mod affinity {
    use std::io;

    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::unistd::Pid;

    const THIS_THREAD: Pid = Pid::from_raw(0);

    /// The cores that this thread may run on.
    pub(super) fn allowed() -> io::Result<Vec<usize>> {
        let set = sched_getaffinity(THIS_THREAD)?;
        Ok((0..CpuSet::count()).filter(|core| set.is_set(*core).unwrap_or(false)).collect())
    }

    /// Keeps this thread and what it starts from now on to these cores.
    pub(super) fn keep_to(cores: &[usize]) -> io::Result<()> {
        let mut set = CpuSet::new();
        cores.iter().try_for_each(|core| set.set(*core))?;
        Ok(sched_setaffinity(THIS_THREAD, &set)?)
    }
}

/// Only Linux lets a thread choose; elsewhere a run is good for nothing but trying the harness.
#[cfg(not(target_os = "linux"))]
mod affinity {
    use std::io;

    pub(super) fn allowed() -> io::Result<Vec<usize>> {
        Ok(Vec::new())
    }

    pub(super) fn keep_to(_: &[usize]) -> io::Result<()> {
        Ok(())
    }
}

impl Cores {
    /// Puts this thread, and all that it starts, on a core of the harness's if there are two. To be called before there are other threads.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn part() -> io::Result<Self> {
        let [harness, .., functions] = *affinity::allowed()? else { return Ok(Self::Shared) };
        affinity::keep_to(&[harness])?;
        Ok(Self::Apart { functions, harness })
    }

    /// Starts a process on the functions' core, and says when.
    ///
    /// # Errors
    /// When there is no such program, or the system refuses.
    pub fn spawn(self, command: &mut Command) -> io::Result<(Instant, Child)> {
        match self {
            Self::Apart { functions, .. } => spawn_on(&[functions], command),
            Self::Shared => spawn(command),
        }
    }

    /// The same, but the process may run on the cores of both.
    ///
    /// # Errors
    /// When there is no such program, or the system refuses.
    pub fn spawn_anywhere(self, command: &mut Command) -> io::Result<(Instant, Child)> {
        match self {
            Self::Apart { functions, harness } => spawn_on(&[functions, harness], command),
            Self::Shared => spawn(command),
        }
    }
}

fn spawn(command: &mut Command) -> io::Result<(Instant, Child)> {
    let spawned_at = Instant::now();
    Ok((spawned_at, command.spawn()?))
}

/// A process inherits the cores of the thread that starts it.
fn spawn_on(cores: &[usize], command: &mut Command) -> io::Result<(Instant, Child)> {
    let own = affinity::allowed()?;
    affinity::keep_to(cores)?;
    let spawned = spawn(command);
    affinity::keep_to(&own)?;
    spawned
}
