//! What the HTTP APIs of devices and of calls have in common: their events, who asks, and their answers.

pub mod answer;
pub mod event;
pub mod jwt;
pub mod log_line;

use tracing::Level;

use crate::call::model::Arrival;
use crate::lambda::api::answer::Answer;
use crate::lambda::api::event::ApiEvent;

/// An HTTP API.
pub trait Api {
    type Handled: HandledRequest;

    /// Handles one request.
    fn handle(&self, event: &ApiEvent, now: Arrival) -> impl Future<Output = Self::Handled>;
}

/// The words of an API in its log line.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    pub message: &'static str,
    /// The metric of how long a request took.
    pub duration: &'static str,
    /// The metric of how many requests there were.
    pub count: &'static str,
    /// What a refused part of a request is called.
    pub part: &'static str,
}

/// A request that was handled.
pub trait HandledRequest {
    const WORDS: Words;

    /// A bug: the handler panicked.
    fn panicked() -> Self;

    /// The address and the operation; `None` for an unknown address or method.
    fn asked(&self) -> Option<(&'static str, &'static str)>;

    /// The stable code of what became of it.
    fn code(&self) -> &'static str;

    /// The part of the request that a refusal is about.
    fn refused_part(&self) -> Option<&'static str>;

    /// AWS's error code with our message.
    fn error(&self) -> Option<String>;

    /// The answer to the event.
    fn answer(&self, event: &ApiEvent) -> Answer;

    /// The level of its log line.
    fn level(&self, answer: &Answer) -> Level {
        if answer.status >= 500 { Level::ERROR } else { Level::INFO }
    }
}
