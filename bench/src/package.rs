//! How much is uploaded to Lambda, and unpacked there at every cold start of a new machine.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::BenchError;

/// What is uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deployed {
    /// A program, without its symbols.
    Program(PathBuf),
    /// Files and folders with all that is in them.
    Files(Vec<PathBuf>),
}

/// What that weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Unpacked.
    pub bytes: u64,
    /// As a zip, compressed as `sam deploy` compresses.
    pub zip_bytes: u64,
}

impl Deployed {
    /// Packs it in a folder of its own, and weighs it.
    ///
    /// # Errors
    /// [`BenchError::Io`] when something of it is missing or cannot be packed.
    pub fn weigh(&self, folder: &Path) -> Result<Weight, BenchError> {
        let cannot = || BenchError::io(format!("pack {}", folder.display()));
        fs::create_dir_all(folder).map_err(cannot())?;
        let packed = match self {
            Self::Program(program) => {
                let packed = folder.join("bootstrap");
                fs::copy(program, &packed).map_err(BenchError::io(format!("pack {}", program.display())))?;
                // Where there is no `strip`, a release of ours is without symbols anyway.
                let _ = Command::new("strip").arg(&packed).stderr(Stdio::null()).status();
                vec![packed]
            }
            Self::Files(files) => files.clone(),
        };
        let zip = folder.with_extension("zip");
        // Python's own, because it is what `sam` packs with.
        let arguments = [OsStr::new("-m"), OsStr::new("zipfile"), OsStr::new("-c"), zip.as_os_str()];
        let status = Command::new("python3").args(arguments).args(&packed).status().map_err(cannot())?;
        if !status.success() {
            return Err(cannot()(io::Error::other(format!("zipfile: {status}"))));
        }
        let sizes: io::Result<Vec<u64>> = packed.iter().map(|path| size(path)).collect();
        let zip_bytes = fs::metadata(&zip).map_err(cannot())?.len();
        Ok(Weight { bytes: sizes.map_err(cannot())?.iter().sum(), zip_bytes })
    }
}

fn size(path: &Path) -> io::Result<u64> {
    if !path.is_dir() {
        return Ok(fs::metadata(path)?.len());
    }
    fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_weighed_with_what_is_in_them_and_packed() {
        let folder = std::env::temp_dir().join(format!("ringback-bench-package-{}", std::process::id()));
        let inner = folder.join("code/inner");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("zeros"), [0; 100_000]).unwrap();
        fs::write(folder.join("code/one"), b"1").unwrap();
        let weight = Deployed::Files(vec![folder.join("code")]).weigh(&folder.join("packed")).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(weight.bytes, 100_001);
        assert!((100..2_000).contains(&weight.zip_bytes), "{weight:?}");
    }
}
