//! `ringback console`: the page for support, on this desk only.
//!
//! A request is let in by [`door`], reads what it shows through the library's reader, and is answered by a
//! page of [`pages`]. Pages are functions of what was read, so they can be looked at without a stack.

mod call;
mod calls;
mod chart;
mod door;
mod overview;
mod pages;
mod words;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use axum::Router;
use axum::http::{StatusCode, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use clap::Args;
use maud::{Markup, html};
use ringback::aws::Failure;
use ringback::aws::dynamodb::TableName;
use ringback::call::model::Arrival;
use ringback::history::read::dynamodb::{DynamoDbCalls, Tables};
use serde_json::json;

use crate::error::Stop;
use crate::output::{Output, now};
use crate::place::{Place, Where};

/// Serve a page with live rooms, the day's figures and each call's story, on this machine only
#[derive(Args, Debug)]
pub(crate) struct Console {
    /// The port on 127.0.0.1; 0 for any that is free
    #[arg(long, default_value_t = 8090)]
    port: u16,
    /// Hours without an event after which a live call counts as silent
    #[arg(long, default_value_t = 2, value_name = "HOURS")]
    stale_hours: u64,
}

/// What the pages read from.
pub(crate) struct Desk {
    calls: DynamoDbCalls,
    stale_hours: u64,
    /// What is looked at: the local stack, or a deployment.
    title: String,
    port: u16,
}

impl Console {
    pub(crate) async fn run(self, at: &Where, out: Output) -> Result<(), Stop> {
        let place = at.place().await?;
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await;
        let port = self.port;
        let listener = listener.map_err(|error| {
            Stop::new(format!("cannot listen on 127.0.0.1:{port}: {error}. Try --port 0"))
        })?;
        let address = listener.local_addr().map_err(|error| Stop::new(error.to_string()))?;
        let desk = Desk::of(&place, self.stale_hours, address)?;
        let url = format!("http://{address}/");
        out.result(&json!({ "url": url }), &format!("{} is shown at {url} until Ctrl-C.", desk.title));
        let served = axum::serve(listener, router(desk)).with_graceful_shutdown(async {
            // Without signals it serves until it is killed.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        });
        served.await.map_err(|error| Stop::new(error.to_string()))
    }
}

impl Desk {
    fn of(place: &Place, stale_hours: u64, address: SocketAddr) -> Result<Self, Stop> {
        let none = || Stop::new("this stack keeps no lists of calls: deploy it with Reading=yes");
        let reading = place.reading.as_ref().ok_or_else(none)?;
        let table = |name: &str| {
            TableName::parse(name).ok_or_else(|| Stop::new(format!("{name} is not the name of a table")))
        };
        let tables = Tables {
            records: table(&place.table)?,
            views: table(&reading.views)?,
            figures: table(&reading.figures)?,
        };
        let client = Client::new(&place.config("DYNAMODB"));
        Ok(Self {
            calls: DynamoDbCalls::new(client, tables, reading.shards),
            stale_hours,
            title: place.name().to_owned(),
            port: address.port(),
        })
    }
}

fn router(desk: Desk) -> Router {
    let desk = Arc::new(desk);
    Router::new()
        .route("/", get(overview::overview))
        .route("/live", get(overview::live))
        .route("/calls", get(calls::calls))
        .route("/calls.csv", get(calls::csv))
        .route("/calls/{sid}", get(call::call))
        .route("/calls/{sid}/events.json", get(call::json))
        .route("/users/{provider}/{service}/{user}", get(calls::user))
        .route("/rooms/{provider}/{service}/{room}", get(calls::room))
        .route("/search", get(calls::search))
        .route("/style.css", get(|| async { asset("text/css", include_str!("console/style.css")) }))
        .route("/icon.svg", get(|| async { asset("image/svg+xml", include_str!("console/icon.svg")) }))
        .fallback(not_found)
        .layer(from_fn_with_state(Arc::clone(&desk), door::let_in))
        .with_state(desk)
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

async fn not_found(uri: Uri) -> Response {
    let what = html! { p { "There is no page at " code { (uri.path()) } "." } };
    problem(StatusCode::NOT_FOUND, "Not found", &what)
}

/// A page in place of one that cannot be shown.
fn problem(status: StatusCode, title: &str, what: &Markup) -> Response {
    let body = html! { h1 { (title) } (what) p { a href="/" { "Back to the overview" } } };
    (status, pages::plain(title, &body)).into_response()
}

/// The tables do not answer.
fn unavailable(failure: &Failure) -> Response {
    let what = html! {
        p { "The tables of this stack cannot be read at the moment: " (failure.to_string()) "." }
        p {
            "Is the stack still running, and may your credentials read its tables? "
            "The page shows calls again as soon as they answer."
        }
    };
    problem(StatusCode::SERVICE_UNAVAILABLE, "The tables do not answer", &what)
}

fn clock() -> Arrival {
    Arrival { milliseconds: u64::try_from(now().as_millis()).unwrap_or(u64::MAX) }
}
