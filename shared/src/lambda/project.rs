//! Follows the stream of the records table. `functions/project` gets batches of changes, and once a day
//! a request to sum the hours into days.
//!
//! A batch that fails comes again as a whole: every step of it can be done twice. The function fails with
//! it. Then Lambda halves the batch, so that what can never be written stands alone in the end and is set
//! aside. Naming the first change as the failed one would bring the same batch again, ten times.

use serde::{Deserialize, Serialize};
use tracing::Level;

use crate::aws::topic::{Publish, Topic};
use crate::aws::{Failure, budget};
use crate::call::model::Arrival;
use crate::history::projector::{AddFigures, Projected, Projector, Tell, WriteRows};
use crate::history::read::ReadCalls;
use crate::history::read::dynamodb::{DynamoDbCalls, Tables};
use crate::history::roll_up::{self, SetDay};
use crate::history::stream::Batch;
use crate::history::tables::{FiguresTable, ViewsTable};
use crate::lambda::metrics::{LogLine, Unit};
use crate::lambda::request_line::{RequestContext, milliseconds};
use crate::lambda::settings::ProjectorSettings;

const BY_OUTCOME: &[&str] = &["outcome"];

/// What an event asks for.
#[derive(Debug, PartialEq)]
pub enum Task {
    Project(Batch),
    RollUp,
}

/// Why an event asks for nothing that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event is no request to roll up, and no batch of a stream with its shard's name")]
pub struct NotATask;

impl Task {
    /// Reads an event.
    ///
    /// # Errors
    /// [`NotATask`] if it is neither of both.
    pub fn parse(event: &str) -> Result<Self, NotATask> {
        #[derive(Deserialize)]
        struct RollUp {
            roll_up: bool,
        }
        if let Ok(RollUp { roll_up: true }) = serde_json::from_str(event) {
            return Ok(Self::RollUp);
        }
        Batch::parse(event).map(Self::Project).map_err(|_| NotATask)
    }
}

/// What became of an event.
#[derive(Debug)]
pub enum ProjectOutcome {
    Projected(Projected),
    /// So many days of services were summed.
    RolledUp(usize),
    /// It comes again.
    Failed(Failure),
    Panicked,
}

impl ProjectOutcome {
    /// The stable code to filter by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Projected(_) => "projected",
            Self::RolledUp(_) => "rolled_up",
            Self::Failed(_) => "failed",
            Self::Panicked => "panicked",
        }
    }

    /// The level of its log line.
    pub fn level(&self) -> Level {
        match self {
            Self::Projected(done) if done.unreadable > 0 => Level::ERROR,
            Self::Projected(done) if done.deferred > 0 => Level::WARN,
            Self::Projected(_) | Self::RolledUp(_) => Level::INFO,
            Self::Failed(_) => Level::WARN,
            Self::Panicked => Level::ERROR,
        }
    }
}

/// The answer to Lambda of an event that is done. A function with a window must answer with a state;
/// nothing is carried from one batch to the next.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub state: State,
    #[serde(rename = "batchItemFailures")]
    pub failures: [(); 0],
}

/// Nothing.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct State {}

/// Why an event comes again.
#[derive(Debug, thiserror::Error)]
pub enum ComesAgain {
    #[error(transparent)]
    Failed(Failure),
    #[error("project panicked")]
    Panicked,
}

impl ProjectOutcome {
    /// The answer to Lambda.
    ///
    /// # Errors
    /// [`ComesAgain`] if the event is not done.
    pub fn report(self) -> Result<Report, ComesAgain> {
        match self {
            Self::Projected(_) | Self::RolledUp(_) => Ok(Report::default()),
            Self::Failed(failure) => Err(ComesAgain::Failed(failure)),
            Self::Panicked => Err(ComesAgain::Panicked),
        }
    }
}

/// The line of an event, both log and metrics (docs/contracts.md).
pub fn project_line(task: &Task, outcome: &ProjectOutcome, context: &RequestContext) -> LogLine {
    let mut line = LogLine::default();
    line.dimension("outcome", Some(outcome.code()));
    let changes = match task {
        Task::Project(batch) => Some(batch.records.len()),
        Task::RollUp => None,
    };
    match outcome {
        ProjectOutcome::Projected(done) => {
            line.detail("rows", Some(done.rows));
            line.detail("counters", Some(done.counters));
            line.detail("news", Some(done.news));
            line.metric("deferred_calls", Unit::Count, BY_OUTCOME, some(done.deferred));
            line.metric("unreadable_changes", Unit::Count, BY_OUTCOME, some(done.unreadable));
        }
        ProjectOutcome::RolledUp(days) => line.detail("days", Some(*days)),
        ProjectOutcome::Failed(failure) => line.detail("error", Some(failure.to_string())),
        ProjectOutcome::Panicked => {}
    }
    line.detail("cold", Some(context.cold));
    line.detail("xray_trace_id", context.trace.as_ref().map(|id| id.as_str()));
    line.metric("changes", Unit::Count, BY_OUTCOME, changes);
    line.metric("project_ms", Unit::Milliseconds, BY_OUTCOME, Some(milliseconds(context.took)));
    line
}

fn some(count: usize) -> Option<usize> {
    (count > 0).then_some(count)
}

/// The function's work.
#[derive(Debug)]
pub struct Project<P, R, D> {
    projector: P,
    reader: R,
    figures: D,
}

/// The same on AWS.
pub type ProjectOnAws =
    Project<Projector<ViewsTable, FiguresTable, Topic, Topic>, DynamoDbCalls, FiguresTable>;

impl ProjectOnAws {
    pub fn connect(settings: ProjectorSettings) -> Self {
        let ProjectorSettings { records, views, figures, layout, calls, spool, aws } = settings;
        let client = aws.dynamodb(budget::REPLAY).client;
        let reader = DynamoDbCalls::new(
            client.clone(),
            Tables { records, views: views.clone(), figures: figures.clone() },
            layout.shards,
        );
        let figures = FiguresTable::new(client.clone(), figures);
        let projector = Projector::new(
            ViewsTable::new(client, views),
            figures.clone(),
            Topic::new(aws.sns(budget::REPLAY).client, calls, budget::REPLAY),
            Topic::rarely_used(aws, spool, budget::REPLAY),
            layout,
        );
        Self { projector, reader, figures }
    }
}

impl<V, F, T, S, R, D> Project<Projector<V, F, T, S>, R, D>
where
    V: WriteRows,
    F: AddFigures,
    T: Tell,
    S: Publish,
    R: ReadCalls,
    D: SetDay,
{
    pub fn new(projector: Projector<V, F, T, S>, reader: R, figures: D) -> Self {
        Self { projector, reader, figures }
    }

    /// Does what an event asks for.
    pub async fn handle(&self, task: &Task, now: Arrival) -> ProjectOutcome {
        let done = match task {
            Task::Project(batch) => self.projector.project(batch).await.map(ProjectOutcome::Projected),
            Task::RollUp => {
                roll_up::roll_up(&self.reader, &self.figures, now).await.map(ProjectOutcome::RolledUp)
            }
        };
        done.unwrap_or_else(ProjectOutcome::Failed)
    }
}
