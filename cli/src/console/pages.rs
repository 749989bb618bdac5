//! What all pages have in common.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Desk;

/// Pages in the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Overview,
    Calls,
    Live,
    /// A page that is reached from others.
    Elsewhere,
}

/// How often a page that shows the present is read again.
pub(super) const REFRESH_SECONDS: u8 = 15;

/// A page.
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    pub(super) place: Place,
    /// Whether it is read again by itself.
    pub(super) refreshes: bool,
}

impl Page<'_> {
    pub(super) fn show(&self, desk: &Desk, body: &Markup) -> Markup {
        let menu = [
            ("/", "Overview", Place::Overview),
            ("/calls", "Calls", Place::Calls),
            ("/live", "Live", Place::Live),
        ];
        let head = html! {
            @if self.refreshes { meta http-equiv="refresh" content=(REFRESH_SECONDS); }
        };
        let bar = html! {
            header {
                a .brand href="/" { img src="/icon.svg" alt="" width="24" height="24"; "Ringback" }
                nav aria-label="Pages" {
                    @for (url, name, place) in menu {
                        a href=(url) aria-current=[(place == self.place).then_some("page")] { (name) }
                    }
                }
                form .search action="/search" role="search" {
                    input type="search" name="q" placeholder="User, room or sid" aria-label="User, room or sid"
                        maxlength="512" required;
                    button { "Find" }
                }
            }
        };
        let foot = html! {
            footer {
                span { bdi { (desk.title) } }
                span { "All times are UTC." }
                @if self.place == Place::Overview || self.place == Place::Live {
                    @if self.refreshes {
                        span { "Shown anew every " (REFRESH_SECONDS) " s. " a href="?still=yes" { "Pause" } }
                    } @else {
                        span { "Paused. " a href="?" { "Refresh again" } }
                    }
                }
            }
        };
        document(self.title, &head, &bar, body, &foot)
    }
}

/// A page without a menu that works: for problems.
pub(super) fn plain(title: &str, body: &Markup) -> Markup {
    let bar = html! {
        header { a .brand href="/" { img src="/icon.svg" alt="" width="24" height="24"; "Ringback" } }
    };
    document(
        title,
        &html! {},
        &bar,
        &html! { div .problem { (body) } },
        &html! { footer { "All times are UTC." } },
    )
}

fn document(title: &str, head: &Markup, bar: &Markup, body: &Markup, foot: &Markup) -> Markup {
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
                (head)
            }
            body {
                a .skip href="#content" { "Skip to the content" }
                (bar)
                main #content tabindex="-1" { (body) }
                (foot)
            }
        }
    }
}

/// A table that scrolls inside of itself where the screen is narrow.
pub(super) fn scrolling(label: &str, table: &Markup) -> Markup {
    html! { div .scrolling tabindex="0" role="region" aria-label=(label) { (table) } }
}

/// A figure with what it counts.
pub(super) fn figure(name: &str, value: &str, more: &str) -> Markup {
    html! {
        div .figure {
            dt { (name) }
            dd { (value) @if !more.is_empty() { small { (more) } } }
        }
    }
}

/// An SVG that was drawn here.
pub(super) fn drawn(svg: String) -> Markup {
    PreEscaped(svg)
}
