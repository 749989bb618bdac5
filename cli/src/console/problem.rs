//! Pages about something that went wrong: what it is, and what to do about it.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use ringback::aws::Failure;

use super::layout::{Tab, page};

#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("There is no such page")]
    NoPage,
    #[error("There is no such call")]
    NoCall,
    #[error("The field “{0}” cannot be used")]
    Unusable(&'static str),
    #[error("That is too long a time")]
    TooManyDays,
    #[error("Calls cannot be read right now")]
    Reading(#[from] Failure),
}

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoPage | Self::NoCall => StatusCode::NOT_FOUND,
            Self::Unusable(_) | Self::TooManyDays => StatusCode::BAD_REQUEST,
            Self::Reading(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn advice(&self) -> &'static str {
        match self {
            Self::NoPage => "Check the address, or begin at the overview.",
            Self::NoCall => "It never came, its records expired or were erased, or it waits in the spool.",
            Self::Unusable("from") => "“From” must be a time before “To”, such as 2026-11-28T06:30.",
            Self::Unusable("to") => "“To” must be a time, such as 2026-11-28T06:30.",
            Self::Unusable("cursor") => "Begin the list again at its first page.",
            Self::Unusable(_) => "Choose another value, or clear the filter.",
            Self::TooManyDays => "Choose at most 31 days.",
            Self::Reading(Failure::TooSlow(_)) => "DynamoDB did not answer in time. Try again in a moment.",
            Self::Reading(Failure::Unavailable { code, .. }) => match code.as_str() {
                "no_answer" => {
                    "DynamoDB did not answer. Is the local stack still running? Start it with `make run`."
                }
                "ResourceNotFoundException" => {
                    "A table is missing. Deploy with Reading=yes, or start the local stack again."
                }
                "AccessDeniedException" => {
                    "Your AWS user may not read the tables. docs/console.md has the policy."
                }
                "ExpiredTokenException" | "UnrecognizedClientException" => {
                    "AWS does not know your credentials any more. Sign in again and restart the console."
                }
                "ThrottlingException" | "ProvisionedThroughputExceededException" => {
                    "DynamoDB is throttling reads. Wait a moment and try again. Callbacks are not affected."
                }
                _ => "Try again in a moment.",
            },
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.to_string();
        let main = message(
            &title,
            &html! { p { (self.advice()) } @if let Self::Reading(why) = &self { p.quiet { (why) "." } } },
        );
        (self.status(), page("", &title, Tab::Other, "", None, &main)).into_response()
    }
}

/// A plain page with a way on.
pub(super) fn message(title: &str, text: &Markup) -> Markup {
    html! {
        div.message {
            h1 { (title) }
            (text)
            p.links { a href="/" { "Overview" } a href="/calls" { "Calls" } }
        }
    }
}
