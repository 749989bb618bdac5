//! The one request to SSM: `GetParameters`, which reads the keys for pushes.
//!
//! SSM's own SDK crate made each cold start longer, for this request alone. Here it takes the SDK's signer
//! and the connections of the other clients.

use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::config::http::HttpRequest;
use aws_sdk_dynamodb::config::{Credentials, Region};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde::{Deserialize, Serialize};

use crate::aws::budget::{self, Budget};
use crate::aws::client::{Connections, Failure, Service};

const TYPE: &str = "application/x-amz-json-1.1";
const OPERATION: &str = "AmazonSSM.GetParameters";

/// Reads parameters.
#[derive(Debug)]
pub struct Parameters {
    pub(super) connections: Connections,
    pub(super) region: Region,
    pub(super) credentials: Credentials,
    pub(super) budget: Budget,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Question<'a> {
    names: &'a [&'a str],
    with_decryption: bool,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Parameters", default)]
    parameters: Vec<Parameter>,
}

/// It holds a secret, so it has no `Debug`.
#[derive(Deserialize)]
struct Parameter {
    #[serde(rename = "Name")]
    name: Option<String>,
    #[serde(rename = "ARN")]
    arn: Option<String>,
    #[serde(rename = "Value")]
    value: Option<String>,
}

/// Why one attempt failed.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("SSM did not answer")]
    NoAnswer,
    #[error("SSM answered {status} ({code})")]
    Answered { status: u16, code: String },
    #[error("SSM's answer is not JSON of its kind")]
    Malformed,
    #[error("the request cannot be signed")]
    Unsigned,
}

impl Unread {
    fn may_pass(&self) -> bool {
        match self {
            Self::NoAnswer => true,
            Self::Answered { status, code } => *status >= 500 || *status == 429 || code.contains("Throttl"),
            Self::Malformed | Self::Unsigned => false,
        }
    }

    fn code(&self) -> String {
        match self {
            Self::NoAnswer => "no_answer".to_owned(),
            Self::Answered { code, .. } => code.clone(),
            Self::Malformed => "malformed_answer".to_owned(),
            Self::Unsigned => "unsigned".to_owned(),
        }
    }
}

impl Parameters {
    /// The decrypted values, in the order of their names; `None` if there is no such parameter.
    ///
    /// # Errors
    /// [`Failure`], if the second attempt fails too.
    pub async fn read(&self, names: &[&str], now: SystemTime) -> Result<Vec<Option<String>>, Failure> {
        let read = async {
            match self.attempt(names, now).await {
                Err(error) if error.may_pass() => {
                    tokio::time::sleep(budget::FIRST_PAUSE).await;
                    self.attempt(names, now).await
                }
                read => read,
            }
        };
        let read = tokio::time::timeout(self.budget.whole, read).await;
        let parameters = read.map_err(|_| Failure::TooSlow(Service::Ssm))?.map_err(|error| {
            Failure::Unavailable { service: Service::Ssm, code: error.code(), source: error.into() }
        })?;
        // A parameter is also found by its ARN.
        let is_it = |parameter: &&Parameter, name: &str| {
            parameter.name.as_deref() == Some(name) || parameter.arn.as_deref() == Some(name)
        };
        let value = |name: &&str| parameters.iter().find(|each| is_it(each, name))?.value.clone();
        Ok(names.iter().map(value).collect())
    }

    async fn attempt(&self, names: &[&str], now: SystemTime) -> Result<Vec<Parameter>, Unread> {
        let request = self.request(names, now).ok_or(Unread::Unsigned)?;
        let answer = tokio::time::timeout(self.budget.attempt, async {
            let answer = self.connections.connector().call(request).await.ok()?;
            let status = answer.status().as_u16();
            Some((status, ByteStream::new(answer.into_body()).collect().await.ok()?.into_bytes()))
        });
        let (status, body) = answer.await.ok().flatten().ok_or(Unread::NoAnswer)?;
        if status != 200 {
            return Err(Unread::Answered { status, code: code(&body) });
        }
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| Unread::Malformed)?;
        Ok(answer.parameters)
    }

    fn request(&self, names: &[&str], now: SystemTime) -> Option<HttpRequest> {
        let body = serde_json::to_vec(&Question { names, with_decryption: true }).ok()?;
        let url = format!("{}/", self.connections.endpoint().trim_end_matches('/'));
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region.as_ref())
            .name("ssm")
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .ok()?
            .into();
        let headers = [("content-type", TYPE), ("x-amz-target", OPERATION)];
        let signable =
            SignableRequest::new("POST", url.as_str(), headers.into_iter(), SignableBody::Bytes(&body))
                .ok()?;
        let (signed, _) = sign(signable, &parameters).ok()?.into_parts();
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").ok()?;
        request.set_uri(url).ok()?;
        for (name, value) in headers.into_iter().chain(signed.headers()) {
            request.headers_mut().try_insert(name.to_owned(), value.to_owned()).ok()?;
        }
        Some(request)
    }
}

/// A moment of a callback as the signer takes it.
pub fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// AWS's word for an error: `com.amazonaws.ssm#AccessDeniedException` is `AccessDeniedException`.
fn code(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(rename = "__type")]
        kind: String,
    }
    let refusal = serde_json::from_slice::<Refusal>(body).ok();
    let word = refusal.and_then(|Refusal { kind }| kind.rsplit('#').next().map(str::to_owned));
    word.unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::client::{Settings, parse_region};
    use crate::aws::trust::Trust;

    fn parameters(region: &str, token: Option<&str>) -> Parameters {
        let settings = Settings {
            region: parse_region(region).unwrap(),
            credentials: Credentials::new("AKID", "secret", token.map(str::to_owned), None, "test"),
            dynamodb_url: None,
            sns_url: None,
            ssm_url: None,
            trust: Trust::default(),
        };
        settings.ssm(budget::KEYS)
    }

    #[test]
    fn every_partition_has_its_own_address() {
        for (region, address) in [
            ("eu-west-1", "https://ssm.eu-west-1.amazonaws.com"),
            ("cn-north-1", "https://ssm.cn-north-1.amazonaws.com.cn"),
            ("us-gov-west-1", "https://ssm.us-gov-west-1.amazonaws.com"),
            ("us-isob-east-1", "https://ssm.us-isob-east-1.sc2s.sgov.gov"),
        ] {
            assert_eq!(parameters(region, None).connections.endpoint(), address);
        }
    }

    #[test]
    fn the_token_of_temporary_credentials_is_sent_and_signed() {
        let names = ["/ringback/apns", "/ringback/fcm"];
        let request = parameters("eu-west-1", Some("temporary")).request(&names, at(1_795_000_000)).unwrap();
        assert_eq!(request.headers().get("x-amz-security-token"), Some("temporary"));
        assert_eq!(request.headers().get("x-amz-target"), Some(OPERATION));
        let authorization = request.headers().get("authorization").unwrap();
        assert!(authorization.contains("/eu-west-1/ssm/aws4_request, SignedHeaders="), "{authorization}");
        assert!(authorization.contains("x-amz-security-token"), "{authorization}");
        let body = request.body().bytes().unwrap();
        assert_eq!(body, br#"{"Names":["/ringback/apns","/ringback/fcm"],"WithDecryption":true}"#);
    }

    #[test]
    fn an_error_has_awss_own_word() {
        assert_eq!(code(br#"{"__type":"com.amazonaws.ssm#AccessDeniedException"}"#), "AccessDeniedException");
        assert_eq!(code(br#"{"__type":"ThrottlingException","message":"x"}"#), "ThrottlingException");
        assert_eq!(code(b"<html>"), "unknown");
    }
}
