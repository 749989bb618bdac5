//! What keeps a run from its figures.

use std::io;
use std::path::PathBuf;

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A file, socket or process that did not do as it should.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The stub has no certificate.
    #[error("no certificate for the stub: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The stub has no TLS.
    #[error("no TLS for the stub: {0}")]
    Tls(#[from] rustls::Error),
    /// Nothing came in the time that was given.
    #[error("{0} did not come in time")]
    TimedOut(String),
    /// The process ended on its own. What it said last is told.
    #[error("{subject} ended by itself ({status}): {said}")]
    Ended {
        /// Whose process.
        subject: String,
        /// How it ended.
        status: String,
        /// The end of its output.
        said: String,
    },
    /// The function posted an error in place of an answer.
    #[error("the function answered with an error: {0}")]
    Function(String),
    /// An answer or an effect other than what was expected: no figure of it would mean anything.
    #[error("{subject} is wrong: {what}")]
    Wrong {
        /// Whose.
        subject: String,
        /// What is wrong.
        what: String,
    },
    /// A file that does not hold what it should.
    #[error("{path}: {what}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Arguments that make no sense.
    #[error("{0}")]
    Usage(String),
}

impl BenchError {
    /// For `map_err` on whatever the system refuses.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
