//! SigV4, as API Gateway checks it for routes with IAM. Here the one credential of the local stack counts.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_types::date_time::{DateTime, Format};
use ringback_tests::gateway::Request;

use crate::emulator::CREDENTIAL;

const SERVICE: &str = "execute-api";
const ALGORITHM: &str = "AWS4-HMAC-SHA256 ";

/// The headers of a signed request.
pub(crate) fn signed(method: &str, url: &str, body: &[u8], region: &str) -> Option<Vec<(String, String)>> {
    signing(method, url, &[], body, region, SystemTime::now())
}

/// Whether a request is signed with the local stack's credential, for any region.
pub(crate) fn is_valid(request: &Request) -> bool {
    expected(request).is_some_and(|expected| {
        request.header("authorization").is_some_and(|given| {
            part(given, "Signature").is_some_and(|given| Some(given) == part(&expected, "Signature"))
        })
    })
}

/// The header that the request would have if its own signed headers were signed here.
fn expected(request: &Request) -> Option<String> {
    let given = request.header("authorization")?;
    let mut scope = part(given, "Credential")?.split('/');
    let (key, _date, region, service) = (scope.next()?, scope.next()?, scope.next()?, scope.next()?);
    if (key, service) != (CREDENTIAL, SERVICE) {
        return None;
    }
    let headers: Vec<(&str, &str)> = part(given, "SignedHeaders")?
        .split(';')
        .map(|name| Some((name, request.header(name)?)))
        .collect::<Option<_>>()?;
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    let url = format!("http://{}{}{query}", request.header("host")?, request.path);
    let time = written(request.header("x-amz-date")?)?;
    let made = signing(&request.method, &url, &headers, &request.body, region, time)?;
    made.into_iter().find(|(name, _)| name == "authorization").map(|(_, value)| value)
}

fn signing(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    region: &str,
    time: SystemTime,
) -> Option<Vec<(String, String)>> {
    let identity = Credentials::new(CREDENTIAL, CREDENTIAL, None, None, "local stack").into();
    let mut settings = SigningSettings::default();
    // Exactly the headers that the client signed.
    settings.excluded_headers = None;
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(SERVICE)
        .time(time)
        .settings(settings)
        .build()
        .ok()?;
    let request =
        SignableRequest::new(method, url, headers.iter().copied(), SignableBody::Bytes(body)).ok()?;
    let (instructions, _) = sign(request, &parameters.into()).ok()?.into_parts();
    Some(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// A named part of an `Authorization` header.
fn part<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let parts = header.strip_prefix(ALGORITHM)?.split(',');
    parts
        .filter_map(|part| part.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}

/// `20261128T024200Z`
fn written(time: &str) -> Option<SystemTime> {
    let digits = |from, to| time.get(from..to);
    let (year, month, day) = (digits(0, 4)?, digits(4, 6)?, digits(6, 8)?);
    let (hour, minute, second) = (digits(9, 11)?, digits(11, 13)?, digits(13, 15)?);
    let text = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    DateTime::from_str(&text, Format::DateTime).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        let header = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let headers = signed("PUT", "http://127.0.0.1:9000/users/a%20b/bob?x=1", b"{}", "eu-west-1").unwrap();
        Request {
            method: "PUT".into(),
            path: "/users/a%20b/bob".into(),
            query: "x=1".into(),
            headers: headers.into_iter().chain([header(("host", "127.0.0.1:9000"))]).collect(),
            body: b"{}".into(),
        }
    }

    #[test]
    fn a_signed_request_is_let_in_and_no_other() {
        assert!(is_valid(&request()));
        let changes: [fn(&mut Request); 6] = [
            |request| request.method = "GET".into(),
            |request| request.path = "/users/a%20b/eve".into(),
            |request| request.query = "x=2".into(),
            |request| request.body = b"[]".into(),
            |request| request.headers.retain(|(name, _)| name != "authorization"),
            |request| {
                request.headers.iter_mut().for_each(|(_, value)| *value = value.replace(SERVICE, "sns"))
            },
        ];
        for change in changes {
            let mut changed = request();
            change(&mut changed);
            assert!(!is_valid(&changed), "{changed:?}");
        }
    }
}
