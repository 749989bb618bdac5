//! Where callbacks are sent, and the sending. The token is in no text that is printed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::http::HttpRequest;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::date_time::{DateTime, Format};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringback::aws::trust::Trust;
use ringback::door::route::Route;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::Stop;
use crate::output::{clean, now};

/// The vendors wait two seconds; a cold start may take longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];
/// The outcome of a notify when no phone can ring.
pub(crate) const NO_DEVICE: &str = "no_device";
/// Stands for the token in the URLs that a deployment prints.
const PLACEHOLDER: &str = "TOKEN";

/// The secret in the URLs. Its `Debug` does not tell it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    /// Letters that a URL's path holds as they are, from twice the 128 bits that no guessing gets through.
    pub(crate) fn random() -> Result<Self, Stop> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| Stop::new(format!("no random numbers: {error}")))?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
        let usable = !text.is_empty() && text != PLACEHOLDER && text.bytes().all(allowed);
        usable.then(|| Self(text.to_owned()))
    }

    /// The text itself, for the one who asked for a new token.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// What a deployment knows of a token.
    pub(crate) fn digest(&self) -> String {
        Sha256::digest(&self.0).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(..)")
    }
}

/// The address of a deployment or of the local stack, with the token.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) base: String,
    /// The addresses of callbacks that have one of their own.
    pub(crate) own: BTreeMap<&'static str, String>,
    pub(crate) token: Token,
}

impl Target {
    /// Reads `https://HOST/TOKEN`. A mistake in it is reported without what was given.
    pub(crate) fn parse(url: &str) -> Result<Self, Stop> {
        let url = url.trim().trim_end_matches('/');
        let (scheme, rest) =
            url.split_once("://").ok_or_else(|| Stop::new("the URL must be https://HOST/TOKEN"))?;
        let (host, token) = rest.split_once('/').ok_or_else(|| {
            Stop::new("the URL has no token: it ends with /TOKEN, with your token in its place")
        })?;
        let base = base_url(&format!("{scheme}://{host}"))?;
        let token = Token::parse(token).ok_or_else(|| {
            Stop::new("the URL must end with your token: https://HOST/TOKEN and nothing behind it")
        })?;
        Ok(Self { base, own: BTreeMap::new(), token })
    }

    pub(crate) fn is_local(&self) -> bool {
        is_loopback(&self.base)
    }

    /// A text without the token: a server may repeat the path that it was asked for.
    pub(crate) fn hushed(&self, text: &str) -> String {
        text.replace(&self.token.0, "…")
    }

    fn url(&self, route: &Route, query: &str) -> String {
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        let base = self.own.get(route.callback).unwrap_or(&self.base);
        format!("{base}/{}{}{query}", self.token.0, route.path)
    }
}

/// Reads the address of an API, to which a token may be sent.
pub(crate) fn base_url(text: &str) -> Result<String, Stop> {
    let base = text.trim().trim_end_matches('/');
    let (scheme, host) = base.split_once("://").unwrap_or_default();
    if host.is_empty() || host.chars().any(|each| each.is_whitespace() || "/?#@".contains(each)) {
        return Err(Stop::new("the address must be https://HOST and nothing more"));
    }
    if scheme != "https" && !(scheme == "http" && is_loopback(base)) {
        return Err(Stop::new("the address must begin with https://, because the token in it is a secret"));
    }
    Ok(base.to_owned())
}

pub(crate) fn is_loopback(base: &str) -> bool {
    let host = base.split_once("://").map_or(base, |(_, host)| host);
    LOOPBACK
        .iter()
        .any(|own| host == *own || host.strip_prefix(own).is_some_and(|port| port.starts_with(':')))
}

/// One request of a vendor's.
#[derive(Clone, Debug)]
pub(crate) struct Callback {
    pub(crate) route: &'static Route,
    pub(crate) query: String,
    pub(crate) body: String,
}

/// What came back; without a status nothing did, and the body says why.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: Option<u16>,
    pub(crate) body: String,
    pub(crate) cache_control: String,
    /// How many seconds the clock there and the one here are apart, by the answer's date.
    pub(crate) clocks_apart: Option<u64>,
    pub(crate) took: Duration,
}

impl Answer {
    /// Whether the callback was understood. A notify for a user without a phone is answered 404, so that the
    /// caller is free at once.
    pub(crate) fn is_taken(&self) -> bool {
        self.status == Some(200) || (self.status == Some(404) && self.word() == NO_DEVICE)
    }

    /// The outcome in the answer's body: LINE's `result` or `error`, Tencent's message, or the body itself.
    pub(crate) fn word(&self) -> String {
        let parsed: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let words = ["result", "error", "ErrorMessage", "message"].map(|name| parsed.get(name));
        let word = words.into_iter().flatten().find_map(Value::as_str).unwrap_or(&self.body);
        clean(word)
    }

    /// Status and outcome. The token goes before the text is cut, or a piece of it would stay.
    pub(crate) fn shown(&self, target: &Target) -> String {
        let status = self.status.map_or_else(String::new, |status| format!("{status} "));
        target.hushed(&format!("{status}{}", self.word())).trim_end().chars().take(80).collect()
    }
}

/// Sends callbacks to one target, and never anywhere else: it follows no redirect.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    connector: SharedHttpConnector,
}

impl Sender {
    pub(crate) fn new(target: &Target) -> Result<Self, Stop> {
        Ok(Self { connector: SharedHttpConnector::new(connector(target.is_local(), &target.base)?) })
    }

    /// Sends one callback, by the vendor's method or another one.
    pub(crate) async fn send(&self, target: &Target, callback: &Callback, method: Option<&str>) -> Answer {
        let started = Instant::now();
        let sent = tokio::time::timeout(PATIENCE, self.exchange(target, callback, method)).await;
        let late = || Err(format!("no answer within {} s", PATIENCE.as_secs()));
        let answer = sent.unwrap_or_else(|_| late());
        let answer = answer.unwrap_or_else(|why| Answer { body: why, ..Answer::default() });
        Answer { took: started.elapsed(), ..answer }
    }

    async fn exchange(
        &self,
        target: &Target,
        callback: &Callback,
        method: Option<&str>,
    ) -> Result<Answer, String> {
        let route = callback.route;
        let mut request = HttpRequest::new(SdkBody::from(callback.body.as_str()));
        let no_request = |_| "no request can be made of it".to_owned();
        request
            .set_uri(target.url(route, &callback.query))
            .map_err(|_| "the address cannot be used".to_owned())?;
        request.set_method(method.unwrap_or(route.method)).map_err(|_| "no such method".to_owned())?;
        let headers = request.headers_mut();
        headers.try_insert("user-agent", "ringback").map_err(no_request)?;
        if !callback.body.is_empty() {
            headers.try_insert("content-type", "application/json").map_err(no_request)?;
        }
        exchange(&self.connector, request).await
    }
}

/// Sends one request, whatever it is, and reads the answer.
pub(crate) async fn exchange(
    connector: &SharedHttpConnector,
    request: HttpRequest,
) -> Result<Answer, String> {
    let response = connector.call(request).await.map_err(|error| {
        let mut cause: &dyn std::error::Error = &error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        format!("no answer: {cause}")
    })?;
    let header = |name| response.headers().get(name).map(str::to_owned);
    let cache_control = header("cache-control").unwrap_or_default();
    let clocks_apart = header("date").and_then(|date| clocks_apart(&date, now().as_secs()));
    let status = Some(response.status().as_u16());
    let body = ByteStream::new(response.into_body()).collect().await.map_err(|error| error.to_string())?;
    let body = String::from_utf8_lossy(&body.into_bytes()).into_owned();
    Ok(Answer { status, body, cache_control, clocks_apart, took: Duration::ZERO })
}

fn clocks_apart(date: &str, now: u64) -> Option<u64> {
    let theirs = DateTime::from_str(date, Format::HttpDate).ok()?;
    Some(now.abs_diff(u64::try_from(theirs.secs()).ok()?))
}

/// Connections with the functions' TLS stack. A proxy is never asked for what is on this machine.
/// `AWS_CA_BUNDLE` names other certificate authorities than the system's.
pub(crate) fn connector(local: bool, endpoint: &str) -> Result<Connector, Stop> {
    let proxy = if local { ProxyConfig::disabled() } else { ProxyConfig::from_env() };
    let authorities = match std::env::var("AWS_CA_BUNDLE").ok().filter(|path| !path.is_empty() && !local) {
        Some(path) => {
            let bundle = Trust::read(&path).ok_or_else(|| {
                Stop::new(format!("AWS_CA_BUNDLE: {path} is no file of certificates in PEM"))
            })?;
            bundle.store_for(endpoint)
        }
        None if local => TrustStore::empty(),
        None => TrustStore::default(),
    };
    let context = TlsContext::builder().with_trust_store(authorities).build();
    let context = context.map_err(|error| Stop::new(format!("no certificate authorities: {error}")))?;
    Ok(Connector::builder()
        .proxy_config(proxy)
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(context)
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_to_https_or_to_this_machine_and_is_in_no_message() {
        for url in ["https://api.example/se-cret", "http://127.0.0.1:9000/se-cret", "http://[::1]:1/se-cret"]
        {
            let target = Target::parse(url).unwrap();
            assert_eq!(target.token.reveal(), "se-cret");
            assert!(!format!("{target:?}").contains("se-cret"));
        }
        for url in [
            "http://api.example/se-cret",
            "http://127.0.0.1.evil.example/se-cret",
            "https://api.example",
            "https://me@api.example/se-cret",
            "https://api.example/TOKEN",
            "https://api.example/se-cret/line/notify_cb",
            "https://api.example/se-cret?x=1",
            "api.example/se-cret",
            "https:///se-cret",
        ] {
            let error = Target::parse(url).unwrap_err().to_string();
            assert!(!error.contains("se-cret"), "{error}");
        }
    }

    #[test]
    fn an_answer_that_repeats_the_token_is_shown_without_it() {
        let target = Target::parse("https://api.example/se-cret").unwrap();
        let body = format!("{}/se-cret/line", "x".repeat(75));
        let answer = Answer { status: Some(404), body, ..Answer::default() };
        assert!(!answer.shown(&target).contains("se"), "{}", answer.shown(&target));
    }

    #[test]
    fn a_callback_with_an_address_of_its_own_goes_there() {
        let mut target = Target::parse("https://api.example/se-cret").unwrap();
        target.own.insert("notify", "https://own.example".into());
        let url = |route| target.url(route, "sid=1");
        assert_eq!(url(&ringback::line::NOTIFY), "https://own.example/se-cret/line/notify_cb?sid=1");
        assert_eq!(
            url(&ringback::tencent::CALL_EVENT),
            "https://api.example/se-cret/tencent/call_event?sid=1"
        );
    }

    #[test]
    fn the_clock_there_is_read_from_the_answers_date() {
        let date = "Fri, 27 Nov 2026 23:36:58 GMT";
        assert_eq!(clocks_apart(date, 1_795_822_618), Some(0));
        assert_eq!(clocks_apart(date, 1_795_822_518), Some(100));
        assert_eq!(clocks_apart("yesterday", 0), None);
    }

    #[test]
    fn each_token_is_new_and_fits_into_a_path() {
        let [one, two] = [Token::random().unwrap(), Token::random().unwrap()];
        assert_ne!(one, two);
        assert_eq!(one.reveal().len(), 43);
        assert!(Token::parse(one.reveal()).is_some());
        assert_eq!(
            Token::parse("abc").unwrap().digest(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
