//! What is uploaded to Lambda: its bytes unpacked and as a zip.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Packs a file into `zip`, and says how large it is unpacked and packed.
pub fn weigh(file: &Path, zip: &Path) -> Result<(u64, u64)> {
    let folder = zip.with_extension("");
    fs::create_dir_all(&folder)?;
    let packed = folder.join(file.file_name().context("no file")?);
    fs::copy(file, &packed).with_context(|| file.display().to_string())?;
    // The stock build keeps its symbols, which a deployment would not. `strip` leaves scripts alone.
    let _ = Command::new("strip").arg(&packed).stderr(Stdio::null()).status();
    // Python's zipfile is what `sam` packs with.
    let status = Command::new("python3").args(["-m", "zipfile", "-c"]).arg(zip).arg(&packed).status()?;
    ensure!(status.success(), "{} cannot be packed: {status}", file.display());
    Ok((fs::metadata(&packed)?.len(), fs::metadata(zip)?.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_weighed_as_it_is_and_packed() {
        let folder = std::env::temp_dir().join(format!("ringback-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("zeros"), [0; 100_000]).unwrap();
        let (bytes, zip_bytes) = weigh(&folder.join("zeros"), &folder.join("packed.zip")).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert!(bytes == 100_000 && (100..2_000).contains(&zip_bytes), "{bytes} {zip_bytes}");
    }
}
