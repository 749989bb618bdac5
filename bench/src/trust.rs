//! Whom a subject trusts: the stub's authority, and beside it as many authorities as it would read on Lambda, so that none is spared work that it does there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::aws_stub::AwsStub;
use crate::error::BenchError;

/// Where distributions keep the authorities that they trust.
const SYSTEM: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
/// The authorities that the functions carry.
const CARRIED: &str = "shared/roots/amazon.pem";

/// Files of authorities.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The stub's alone, for who adds it to authorities that are compiled in.
    pub stub: PathBuf,
    /// What the functions carry, with the stub's.
    pub carried: PathBuf,
    /// The system's, with the stub's.
    pub system: PathBuf,
}

impl Trust {
    /// Writes the files for a stub.
    ///
    /// # Errors
    /// [`BenchError::Io`] when that cannot be done.
    pub fn write(root: &Path, folder: &Path, stub: &AwsStub) -> Result<Self, BenchError> {
        let of_system = SYSTEM.iter().find_map(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let carried = fs::read_to_string(root.join(CARRIED)).unwrap_or_else(|_| of_system.clone());
        let folder = folder.join("trust").join(stub.port().to_string());
        fs::create_dir_all(&folder).map_err(BenchError::io("make a folder of certificates"))?;
        let write = |name: &str, others: &str| {
            let path = folder.join(name);
            let text = format!("{others}\n{}", stub.authority_pem());
            fs::write(&path, text).map_err(BenchError::io("write certificates")).map(|()| path)
        };
        Ok(Self {
            stub: write("stub.pem", "")?,
            carried: write("carried.pem", &carried)?,
            system: write("system.pem", &of_system)?,
        })
    }

    /// Another bundle with the stub's authority.
    ///
    /// # Errors
    /// [`BenchError::Io`] when there is no such bundle.
    pub fn beside(&self, bundle: &Path) -> Result<PathBuf, BenchError> {
        let cannot = || BenchError::io(format!("trust {}", bundle.display()));
        let others = fs::read_to_string(bundle).map_err(cannot())?;
        let stub = fs::read_to_string(&self.stub).map_err(cannot())?;
        let path = self.stub.with_file_name("beside.pem");
        fs::write(&path, format!("{others}\n{stub}")).map_err(cannot())?;
        Ok(path)
    }
}
