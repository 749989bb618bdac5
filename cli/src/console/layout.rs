//! The frame around every page.

use maud::{DOCTYPE, Markup, html};

pub(super) const STYLE: &str = include_str!("style.css");
pub(super) const SCRIPT: &str = include_str!("live.js");
pub(super) const ICON: &str = include_str!("icon.svg");

/// Where in the console a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Overview,
    Calls,
    Live,
    Other,
}

const TABS: [(Tab, &str, &str); 3] =
    [(Tab::Overview, "/", "Overview"), (Tab::Calls, "/calls", "Calls"), (Tab::Live, "/live", "Live")];

/// A whole page. `search` is what was looked for, and `live` how many calls are live, where that is known.
pub(super) fn page(
    stack: &str,
    title: &str,
    tab: Tab,
    search: &str,
    live: Option<usize>,
    main: &Markup,
) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Ringback" }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/style.css";
                @if matches!(tab, Tab::Overview | Tab::Live) { script src="/live.js" defer {} }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    a.brand href="/" { span.ring aria-hidden="true" {} "Ringback" }
                    nav aria-label="Pages" {
                        @for (each, address, name) in TABS {
                            a href=(address) aria-current=[(each == tab).then_some("page")] {
                                (name)
                                @if let (Tab::Live, Some(live)) = (each, live) {
                                    span data-live="count" { " (" (live) ")" }
                                }
                            }
                        }
                    }
                    form.search action="/search" role="search" {
                        label.hidden for="q" { "Find a user, a room or a call" }
                        input #q name="q" type="search" placeholder="User, room or sid" value=(search)
                            maxlength="512" autocomplete="off" spellcheck="false";
                        button type="submit" { "Find" }
                    }
                }
                main #main tabindex="-1" { (main) }
                footer { p { (stack) } p { "All times are UTC." } }
            }
        }
    }
}

/// How pages with live figures stay fresh. Without JavaScript there is the link.
pub(super) fn freshness(address: &str, now: &str) -> Markup {
    html! {
        p.freshness {
            span data-live="freshness" { "As of " (now) " UTC" }
            " " a href=(address) { "Refresh" }
            button type="button" data-pause hidden { "Pause" }
        }
    }
}
