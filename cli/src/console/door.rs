//! Who may look: a browser on this machine that was sent here on purpose.
//!
//! A web page elsewhere can make a browser ask 127.0.0.1 under a name of its own (DNS rebinding). So only
//! our own names are taken as `Host`. And nothing that a stranger wrote may run as a script.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use maud::html;

use super::{Desk, problem};

/// No script at all, and styles and images from here only.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; \
                      base-uri 'none'; form-action 'self'";

pub(super) async fn let_in(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let mut response = if !is_own(host, desk.port) {
        let what = html! { p { "This page is only shown to its own machine, at 127.0.0.1." } };
        problem(StatusCode::MISDIRECTED_REQUEST, "Another host", &what)
    } else if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let what = html! { p { "This page only shows; it changes nothing." } };
        problem(StatusCode::METHOD_NOT_ALLOWED, "Only for reading", &what)
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn is_own(host: Option<&str>, port: u16) -> bool {
    let names = ["127.0.0.1", "localhost", "[::1]"];
    host.is_some_and(|host| names.iter().any(|name| host == format!("{name}:{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_another_site_is_not_ours() {
        assert!(is_own(Some("127.0.0.1:8090"), 8090));
        assert!(is_own(Some("localhost:8090"), 8090));
        for host in ["evil.example:8090", "127.0.0.1", "127.0.0.1:80", "127.0.0.1.evil.example:8090", ""] {
            assert!(!is_own(Some(host), 8090), "{host}");
        }
        assert!(!is_own(None, 8090));
    }
}
