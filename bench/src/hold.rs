//! Holds a process to a share of a core, as Lambda holds a small function to the share that its memory buys: with the kernel's bandwidth control, by a control
//! group that exists for as long as this does.
//!
//! A process is born in the group, by way of a shell, and only then the group gets its quota: to move a running process takes the kernel milliseconds, in
//! which a function could work unheld.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::subject::Subject;

/// The period that Lambda's own shares are dealt out in.
const PERIOD_US: u64 = 20_000;
/// 128 MB of the 1,769 MB that buy a whole core.
pub const PERCENT_OF_A_CORE: u64 = 7;
const NAME: &str = "ringback-bench";

/// A control group.
#[derive(Debug)]
pub struct Hold {
    folder: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Hold {
    /// A group that does not hold yet, on a machine that lets us make one.
    ///
    /// # Errors
    /// Why it does not.
    pub fn make() -> io::Result<Self> {
        let (root, version) = [
            ("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", Version::One),
            ("/sys/fs/cgroup/cpu,cpuacct", "cpu.cfs_quota_us", Version::One),
            ("/sys/fs/cgroup", "cgroup.controllers", Version::Two),
        ]
        .into_iter()
        .find(|(root, file, _)| Path::new(root).join(file).exists())
        .map(|(root, _, version)| (Path::new(root), version))
        .ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "no control groups for CPU time here"))?;
        if version == Version::Two {
            fs::write(root.join("cgroup.subtree_control"), "+cpu")?;
        }
        let folder = root.join(NAME);
        match fs::create_dir(&folder) {
            // Left behind by a run that was killed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
        let hold = Self { folder, version };
        if version == Version::One {
            fs::write(hold.folder.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
        }
        hold.let_go()?;
        Ok(hold)
    }

    /// The subject, whose process will be in the group.
    pub fn of(&self, subject: &Subject) -> Subject {
        let mut arguments: Vec<OsString> = vec!["-c".into(), r#"echo $$ > "$0"; exec "$@""#.into()];
        arguments.push(self.folder.join("cgroup.procs").into());
        arguments.push(subject.program.clone().into());
        arguments.extend(subject.arguments.iter().cloned());
        Subject { program: "/bin/sh".into(), arguments, ..subject.clone() }
    }

    /// From now on, what is in the group has its share of a core.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn hold(&self) -> io::Result<()> {
        self.allow(Some(PERIOD_US * PERCENT_OF_A_CORE / 100))
    }

    /// From now on, it may have all of it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn let_go(&self) -> io::Result<()> {
        self.allow(None)
    }

    fn allow(&self, microseconds: Option<u64>) -> io::Result<()> {
        let amount = |unlimited: &str| microseconds.map_or_else(|| unlimited.to_owned(), |amount| amount.to_string());
        match self.version {
            Version::One => fs::write(self.folder.join("cpu.cfs_quota_us"), amount("-1")),
            Version::Two => fs::write(self.folder.join("cpu.max"), format!("{} {PERIOD_US}", amount("max"))),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // The last process was reaped, but the kernel may take a moment to see that the group is empty.
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}
