//! The addresses of the console, and what each page reads.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Router, middleware};
use maud::Markup;
use ringback::aws::Failure;
use ringback::call::model::{Arrival, Moment, SessionId};
use ringback::history::call::StoredCall;
use ringback::history::key::UserKey;
use ringback::history::read::live::{LiveCall, live_calls};
use ringback::history::read::{By, LARGEST_PAGE, Page, ReadCalls, Rows};
use ringback::lambda::history::csv;
use ringback::lambda::history::shown::Reader;
use serde::Deserialize;
use serde_json::Value;

use super::layout::{self, Tab, page};
use super::overview::{self, Overview};
use super::problem::Problem;
use super::query::Asked;
use super::{Source, call, calls, door, live, people, search, user};
use crate::output;

/// Newest calls on the overview.
const NEWEST: u32 = 12;
/// Pages of callbacks that the page of one call reads, at most.
const PAGES_OF_EVENTS: usize = 5;
/// Rows of a file, CSV or JSON, at most, but for the rest of the last page.
const ROWS_OF_FILE: usize = 20_000;
/// Pages that are read for it, at most. A filter leaves many of them nearly empty.
const PAGES_OF_FILE: usize = 2_000;

/// Pages without a row that are gone through at once, at most.
const EMPTY_PAGES: usize = 20;

type Shown = Result<Markup, Problem>;
type Answered = Result<Response, Problem>;

pub(super) fn router(source: Source, port: u16) -> Router {
    Router::new()
        .route("/", get(show_overview))
        .route("/figures.csv", get(figures_csv))
        .route("/calls", get(show_calls))
        .route("/calls.csv", get(calls_csv))
        .route("/calls/{sid}", get(show_call))
        .route("/calls/{sid}/json", get(call_json))
        .route("/live", get(show_live))
        .route("/live.csv", get(live_csv))
        .route("/users/{provider}/{service}/{user}", get(show_user))
        .route("/users/{provider}/{service}/{user}/csv", get(user_csv))
        .route("/rooms/{provider}/{service}/{room}", get(show_room))
        .route("/rooms/{provider}/{service}/{room}/csv", get(room_csv))
        .route("/search", get(show_search))
        .route("/style.css", get(async || ([(CONTENT_TYPE, "text/css; charset=utf-8")], layout::STYLE)))
        .route("/live.js", get(async || ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], layout::SCRIPT)))
        .route("/icon.svg", get(async || ([(CONTENT_TYPE, "image/svg+xml")], layout::ICON)))
        .fallback(async || Problem::NoPage)
        .with_state(source)
        .layer(middleware::from_fn_with_state(port, door::guard))
}

fn now() -> Arrival {
    let milliseconds = u64::try_from(output::now().as_millis()).unwrap_or(u64::MAX);
    Arrival { milliseconds }
}

fn moment(now: Arrival) -> Moment {
    Moment::from_milliseconds(now.milliseconds).unwrap_or(Moment::LATEST)
}

/// A file of rows. Its name says what is in it.
fn file(name: &str, rows: String) -> Response {
    let disposition = format!("attachment; filename=\"{name}.csv\"");
    ([(CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (CONTENT_DISPOSITION, disposition)], rows)
        .into_response()
}

/// The rows of a list, page by page, and where it goes on after so many pages.
async fn read_pages<T, F>(pages: usize, read: impl Fn(Page) -> F) -> Result<Rows<T>, Failure>
where
    F: Future<Output = Result<Rows<T>, Failure>>,
{
    let (mut rows, mut next) = (Vec::new(), None);
    for _ in 0..pages {
        let found = read(Page { limit: LARGEST_PAGE, after: next.take() }).await?;
        rows.extend(found.rows);
        next = found.next;
        if next.is_none() || rows.len() >= ROWS_OF_FILE {
            break;
        }
    }
    Ok(Rows { rows, next })
}

/// The next page of a list that has a row. A filter can leave pages empty.
async fn next_rows<T, F>(first: Page, read: impl Fn(Page) -> F) -> Result<Rows<T>, Failure>
where
    F: Future<Output = Result<Rows<T>, Failure>>,
{
    let mut found = read(first.clone()).await?;
    for _ in 0..EMPTY_PAGES {
        let Some(next) = found.next.take_if(|_| found.rows.is_empty()) else { break };
        found = read(Page { after: Some(next), ..first.clone() }).await?;
    }
    Ok(found)
}

/// Every row of a list.
async fn all<T, F>(read: impl Fn(Page) -> F) -> Result<Vec<T>, Failure>
where
    F: Future<Output = Result<Rows<T>, Failure>>,
{
    Ok(read_pages(PAGES_OF_FILE, read).await?.rows)
}

impl Source {
    fn page(&self, title: &str, tab: Tab, main: &Markup) -> Markup {
        page(&self.name, title, tab, "", None, main)
    }

    fn live_page(&self, title: &str, tab: Tab, live: usize, main: &Markup) -> Markup {
        page(&self.name, title, tab, "", Some(live), main)
    }

    async fn live(&self, now: Arrival) -> Result<Vec<LiveCall>, Failure> {
        Ok(live_calls(self.calls.live(now).await?, self.stale_hours, now))
    }

    async fn story(&self, sid: &str, pages: usize) -> Result<call::Story, Problem> {
        let (session, now) = (SessionId::parse(sid).ok_or(Problem::NoCall)?, now());
        let item = self.calls.call(&session, now).await?.ok_or(Problem::NoCall)?;
        let read = StoredCall::deserialize(Value::Object(item.clone()));
        let (calls, session) = (&self.calls, &session);
        let read_events = move |page| async move { calls.events(session, &page, now).await };
        let Rows { rows: events, next } = read_pages(pages, read_events).await?;
        let call = read.map_err(|_| Problem::NoCall)?;
        Ok(call::Story { item, call, events, more: next.is_some() })
    }
}

async fn show_overview(State(source): State<Source>) -> Shown {
    let now = now();
    let span = overview::span(now);
    let newest = Page { limit: NEWEST, after: None };
    let everything = ringback::history::read::Filter::default();
    let shown = Overview {
        now: moment(now),
        span,
        hours: overview::hours(span, source.calls.figures(span, By::Hour, now).await?),
        live: source.live(now).await?,
        newest: source.calls.calls(span, &everything, &newest, now).await?.rows,
    };
    Ok(source.live_page("Overview", Tab::Overview, shown.live.len(), &overview::main(&shown)))
}

async fn figures_csv(State(source): State<Source>) -> Answered {
    let now = now();
    let figures = source.calls.figures(overview::span(now), By::Hour, now).await?;
    Ok(file("figures", csv::figures(&figures)))
}

async fn show_calls(State(source): State<Source>, Query(asked): Query<Asked>) -> Shown {
    let now = now();
    let (calls, span, filter) = (&source.calls, asked.span(now)?, &asked.filter()?);
    let read = move |page| async move { calls.calls(span, filter, &page, now).await };
    let found = next_rows(asked.page()?, read).await?;
    Ok(source.page("Calls", Tab::Calls, &calls::main(&asked, &found)))
}

async fn calls_csv(State(source): State<Source>, Query(asked): Query<Asked>) -> Answered {
    let now = now();
    let (span, filter) = (asked.span(now)?, asked.filter()?);
    let (calls, filter) = (&source.calls, &filter);
    let rows = all(move |page| async move { calls.calls(span, filter, &page, now).await }).await?;
    Ok(file("calls", csv::calls(&rows)))
}

async fn show_call(State(source): State<Source>, Path(sid): Path<String>) -> Shown {
    let story = source.story(&sid, PAGES_OF_EVENTS).await?;
    Ok(source.page(&format!("Call {sid}"), Tab::Other, &call::main(&story)))
}

async fn call_json(State(source): State<Source>, Path(sid): Path<String>) -> Answered {
    let json = source.story(&sid, PAGES_OF_FILE).await?.json().to_string();
    Ok(([(CONTENT_TYPE, "application/json")], json).into_response())
}

async fn show_live(State(source): State<Source>) -> Shown {
    let now = now();
    let live = source.live(now).await?;
    let main = live::main(&live, source.stale_hours, moment(now));
    Ok(source.live_page("Live", Tab::Live, live.len(), &main))
}

async fn live_csv(State(source): State<Source>) -> Answered {
    Ok(file("live", csv::live(&source.live(now()).await?)))
}

type Three = Path<(String, String, String)>;

fn key(Path((provider, service, user)): Three) -> UserKey {
    UserKey { provider, service, user }
}

async fn show_user(State(source): State<Source>, path: Three, Query(asked): Query<Asked>) -> Shown {
    let user = key(path);
    let (calls, key, missed, now) = (&source.calls, &user, asked.missed(), now());
    let read = move |page| async move { calls.users_calls(key, missed, &page, now).await };
    let found = next_rows(asked.page()?, read).await?;
    Ok(source.page(&format!("User {}", user.user), Tab::Other, &user::main(&user, &asked, &found)))
}

async fn user_csv(State(source): State<Source>, path: Three, Query(asked): Query<Asked>) -> Answered {
    let (user, missed, now) = (key(path), asked.missed(), now());
    let (calls, user) = (&source.calls, &user);
    let rows = all(move |page| async move { calls.users_calls(user, missed, &page, now).await }).await?;
    Ok(file("user", csv::users_calls(&rows, Reader::AppServer)))
}

async fn show_room(State(source): State<Source>, path: Three, Query(asked): Query<Asked>) -> Shown {
    let Path((provider, service, room)) = path;
    let found = source.calls.rooms_calls(&provider, &service, &room, &asked.page()?, now()).await?;
    let names = [provider.as_str(), &service, &room];
    let own = format!("/rooms/{}", names.map(people::part).join("/"));
    let main = user::room(names, &own, &asked, &found);
    Ok(source.page(&format!("Room {room}"), Tab::Other, &main))
}

async fn room_csv(State(source): State<Source>, Path((provider, service, room)): Three) -> Answered {
    let now = now();
    let (calls, provider, service, room) = (&source.calls, &provider, &service, &room);
    let read = move |page| async move { calls.rooms_calls(provider, service, room, &page, now).await };
    Ok(file("room", csv::calls(&all(read).await?)))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sought {
    q: String,
}

async fn show_search(State(source): State<Source>, Query(Sought { q }): Query<Sought>) -> Answered {
    let name = q.trim();
    if name.is_empty() {
        return Ok(Redirect::to("/").into_response());
    }
    let found = search::find(&source.calls, name, now()).await?;
    if let [only] = found.as_slice() {
        return Ok(Redirect::to(&only.address).into_response());
    }
    let status = if found.is_empty() { StatusCode::NOT_FOUND } else { StatusCode::OK };
    let title = if found.is_empty() { "Nothing found" } else { "Found more than once" };
    Ok((status, page(&source.name, title, Tab::Other, name, None, &search::main(name, &found)))
        .into_response())
}
