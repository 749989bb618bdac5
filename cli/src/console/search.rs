//! The search: calls, users and rooms of every service that has calls.

use maud::{Markup, html};
use ringback::aws::Failure;
use ringback::call::model::{Arrival, SessionId};
use ringback::history::key::UserKey;
use ringback::history::read::dynamodb::DynamoDbCalls;
use ringback::history::read::{Page, ReadCalls};

use super::{people, problem, user, words};

/// Something that was found.
pub(super) struct Found {
    what: &'static str,
    of: Option<(String, String)>,
    pub(super) address: String,
}

/// Everything of this name: a call, users and rooms.
pub(super) async fn find(calls: &DynamoDbCalls, name: &str, now: Arrival) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    if let Some(session) = SessionId::parse(name)
        && calls.call(&session, now).await?.is_some()
    {
        found.push(Found { what: "Call", of: None, address: format!("/calls/{}", people::part(name)) });
    }
    let services = calls.named_services().await?;
    let one = Page { limit: 1, after: None };
    for (provider, service) in &services {
        let key = UserKey { provider: provider.clone(), service: service.clone(), user: name.to_owned() };
        if !calls.users_calls(&key, false, &one, now).await?.rows.is_empty() {
            let of = Some((provider.clone(), service.clone()));
            found.push(Found { what: "User", of, address: user::path(&key) });
        }
    }
    for (provider, service) in services {
        if !calls.rooms_calls(&provider, &service, name, &one, now).await?.rows.is_empty() {
            let address = format!("/rooms/{}", [&*provider, &service, name].map(people::part).join("/"));
            found.push(Found { what: "Room", of: Some((provider, service)), address });
        }
    }
    Ok(found)
}

/// More than one was found, or none.
pub(super) fn main(name: &str, found: &[Found]) -> Markup {
    if found.is_empty() {
        let text = html! {
            p { "No call, user or room is called " bdi.wrap { "“" (name) "”" } "." }
            p.quiet {
                "Ids are compared letter by letter, and case counts. Old records expire. LINE reports a \
                 one-to-one call only when it is over."
            }
        };
        return problem::message("Nothing found", &text);
    }
    html! {
        h1 { "Found more than once" }
        section.card {
            ul.found {
                @for each in found {
                    li { a href=(each.address) { (each.what) " " (people::text(name)) }
                        @if let Some((provider, service)) = &each.of {
                            span.quiet {
                                " of " (words::provider(provider)) ", service " (people::text(service))
                            }
                        }
                    }
                }
            }
        }
    }
}
