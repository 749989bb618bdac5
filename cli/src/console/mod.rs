//! `ringback console`: pages about calls, for one person on their own machine.
//!
//! [`door`] lets a request pass or refuses it, and adds the headers of safety to every answer. [`routes`]
//! knows the addresses: each handler reads what it needs and hands it to the function of a page, which only
//! makes markup. The pages share [`layout`], the words in [`words`] and the people in [`people`]. [`problem`]
//! is every page about something that went wrong.

mod call;
mod calls;
mod chart;
mod door;
mod layout;
mod live;
mod overview;
mod people;
mod problem;
mod query;
mod reasons;
mod routes;
mod search;
#[cfg(test)]
mod tests;
mod user;
mod words;

use std::net::Ipv4Addr;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use clap::Args;
use ringback::aws::dynamodb::TableName;
use ringback::history::read::dynamodb::{DynamoDbCalls, Tables};
use serde_json::json;
use tokio::net::TcpListener;

use crate::error::Stop;
use crate::output::Output;
use crate::place::{Kind, Place, Reading, Where};

const HELP: &str = "\
The console shows the figures of the last 24 hours, a list of calls with filters, the live rooms, \
everything about one call, and the history of a user or a room. It only reads.

It answers on this machine alone (127.0.0.1) and stops with Ctrl-C. Without --stack it shows the local stack \
that `make run` started. With --stack it uses your AWS credentials; docs/console.md lists the rights.";

/// Serve pages about calls on this machine: figures, lists, live rooms, one call
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Console {
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8090)]
    port: u16,
}

/// What every handler reads from.
#[derive(Clone, Debug)]
struct Source {
    calls: Arc<DynamoDbCalls>,
    stale_hours: u64,
    /// Which Ringback it is.
    name: Arc<str>,
}

impl Console {
    pub(crate) async fn run(self, at: &Where, out: Output) -> Result<(), Stop> {
        let source = Source::of(&at.place().await?)?;
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await;
        let listener = bound.map_err(|error| {
            Stop::new(format!("cannot listen on 127.0.0.1:{}: {error}; try --port 0", self.port))
        })?;
        let port = listener.local_addr()?.port();
        let url = format!("http://127.0.0.1:{port}/");
        let text = format!("{} is shown at {url} until Ctrl-C.", source.name);
        out.result(&json!({ "url": url }), &text);
        Ok(axum::serve(listener, routes::router(source, port)).await?)
    }
}

impl Source {
    fn of(place: &Place) -> Result<Self, Stop> {
        let advice = match &place.kind {
            Kind::Local(_) => "start it again with `make run`",
            Kind::Deployed(_) => "deploy it with the parameter Reading=yes",
        };
        let none = || Stop::new(format!("{} has no tables to read calls from: {advice}", place.name()));
        let reading = place.reading.as_ref().ok_or_else(none)?;
        Self::new(Client::new(&place.config("DYNAMODB")), &place.table, reading, place.name())
    }

    fn new(client: Client, records: &str, reading: &Reading, name: &str) -> Result<Self, Stop> {
        let table = |name: &str| {
            TableName::parse(name).ok_or_else(|| Stop::new(format!("{name} is not the name of a table")))
        };
        let tables = Tables {
            records: table(records)?,
            views: table(&reading.views)?,
            figures: table(&reading.figures)?,
        };
        let calls = Arc::new(DynamoDbCalls::new(client, tables, reading.shards));
        Ok(Self { calls, stale_hours: reading.stale_hours, name: name.into() })
    }
}
