//! What went wrong and how to fix it, in a line.

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub(crate) struct StackError(String);

impl StackError {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl From<std::io::Error> for StackError {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}
