//! Why a request is turned away, in one type. What each one is answered with is in [`crate::lambda::http`].

/// A bound of [`crate::text::bounds`] that was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    Query,
    Parameters,
    Name,
    Value,
    Body,
    /// Nesting of the body's JSON.
    JsonDepth,
}

impl Bound {
    /// The bound's name in an answer.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Parameters => "parameters",
            Self::Name => "parameter name",
            Self::Value => "parameter value",
            Self::Body => "body",
            Self::JsonDepth => "JSON depth",
        }
    }
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Unknown path or wrong token. The answer must not show that anything is here.
    UnknownUrl,
    /// A method that the vendor does not use.
    WrongMethod,
    /// A service id or SDKAppID that is not in the allow-list.
    NotOurs,
    /// A signature that is missing, wrong or too old.
    WrongSignature,
    /// A required field is missing or empty.
    MissingField(&'static str),
    /// A required field is unusable.
    UnusableField(&'static str),
    /// Longer than a bound allows.
    TooLong(Bound),
    /// The body is not JSON.
    NotJson,
}

impl Refusal {
    /// The stable code to filter by, in logs and answers.
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownUrl => "unknown_url",
            Self::WrongMethod => "wrong_method",
            Self::NotOurs => "not_ours",
            Self::WrongSignature => "wrong_signature",
            Self::MissingField(_) => "missing_field",
            Self::UnusableField(_) => "unusable_field",
            Self::TooLong(_) => "too_long",
            Self::NotJson => "not_json",
        }
    }
}
