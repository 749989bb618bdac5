//! Apple's push service: VoIP pushes.
//! <https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns>

use serde::Deserialize;
use uuid::Uuid;

use crate::call::model::Moment;
use crate::ring::device::Device;
use crate::ring::push::{Pushed, Reply, Request, Ringing, call_uuid, code};

pub const PRODUCTION: &str = "https://api.push.apple.com";
pub const SANDBOX: &str = "https://api.sandbox.push.apple.com";

/// The most that Apple takes in a VoIP push.
pub const BODY_BYTES: usize = 5_120;

/// The request that rings a device. `None` if it is larger than Apple takes.
pub fn request(call: &Ringing<'_>, device: &Device, ring_seconds: u64) -> Option<Request> {
    let call_uuid = call_uuid(call);
    // The job is a JSON object with members. Its text goes on as it is, and cc_param with it.
    let job = call.job.body().strip_prefix('{')?;
    let body = format!(r#"{{"aps":{{}},"call_uuid":"{call_uuid}",{job}"#);
    let headers = vec![
        ("apns-push-type", "voip".to_owned()),
        ("apns-topic", format!("{}.voip", device.address.app.as_str())),
        ("apns-priority", "10".to_owned()),
        ("apns-expiration", (call.now.seconds() + ring_seconds).to_string()),
        ("apns-id", Uuid::new_v5(&call_uuid, device.id.as_str().as_bytes()).to_string()),
    ];
    let path = format!("/3/device/{}", device.address.token.reveal());
    (body.len() <= BODY_BYTES).then_some(Request { path, headers, body })
}

#[derive(Default, Deserialize)]
struct Answer {
    reason: Option<String>,
    /// Since when the token is dead, in milliseconds.
    timestamp: Option<u64>,
}

/// What Apple's answer means.
pub fn reply(status: u16, body: &[u8]) -> Reply {
    let Answer { reason, timestamp } = serde_json::from_slice(body).unwrap_or_default();
    let code = code(status, reason.as_deref());
    match (status, code.as_str()) {
        (200, _) => Reply::Settled(Pushed::Accepted),
        (410, _) => {
            Reply::Settled(Pushed::Dead { since: timestamp.and_then(Moment::from_seconds_or_milliseconds) })
        }
        (400, "BadDeviceToken" | "DeviceTokenNotForTopic") => Reply::Settled(Pushed::Dead { since: None }),
        (403, "ExpiredProviderToken") => Reply::RenewToken(code),
        (401 | 403, _) | (400, "BadTopic" | "MissingTopic" | "TopicDisallowed" | "InvalidPushType") => {
            Reply::Settled(Pushed::RefusedUs(code))
        }
        (429 | 500..=599, _) => Reply::SendAgain(code),
        _ => Reply::Settled(Pushed::Failed(code)),
    }
}
