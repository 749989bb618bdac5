//! How much is read, kept and counted. A longer request gets a 400 before it is parsed.
//!
//! LINE's app data has at most 4,095 bytes of UTF-8. It arrives percent-encoded, sometimes twice
//! (`stid` and `app_svr_data`), so a genuine query stays below some 25 KB.

/// Bytes of a raw query string.
pub const QUERY_BYTES: usize = 32_768;
/// Parameters in one query.
pub const PARAMETERS: usize = 128;
/// Bytes of a parameter's name, decoded.
pub const NAME_BYTES: usize = 256;
/// Bytes of a parameter's value, decoded.
pub const VALUE_BYTES: usize = 16_384;
/// Bytes of a request body, decoded.
pub const BODY_BYTES: usize = 65_536;
/// Objects and arrays inside one another in a body; the body itself is the first.
pub const JSON_DEPTH: usize = 16;
/// Bytes of a session id. DynamoDB would take 2,048; no vendor sends more than 36 today.
pub const SESSION_ID_BYTES: usize = 256;
/// Bytes of a spool message: SNS's maximum. A longer one was not written by these functions.
pub const SPOOL_MESSAGE_BYTES: usize = 262_144;
/// Bytes of one text in a call item: an id or a code. A longer one is kept in the event item only,
/// so that a call item stays below DynamoDB's 400 KB. LINE's ids have at most 64 bytes, Tencent's
/// 32.
pub const TEXT_BYTES: usize = 256;
/// Bytes of app data in a call item, for the same reason. LINE's SDK takes at most 4,095.
pub const APP_DATA_BYTES: usize = 4_096;
/// People kept in one call item, for the same reason.
pub const PEOPLE: usize = 256;

/// People that a row of a list names beside its user. Vendors' groups are smaller; without a bound, the rows
/// of one call could grow with the square of its people.
pub const LISTED_PEOPLE: usize = 32;
/// Seconds of talk that one call can add to the metric: a week. A wrong value from a vendor would
/// distort the metric; the record keeps it.
pub const COUNTED_TALK_SECONDS: u64 = 604_800;

/// Text that a call item can hold: at most [`TEXT_BYTES`] long, without control characters, which
/// take six times the space when stored.
pub fn keepable(text: &str) -> Option<&str> {
    (text.len() <= TEXT_BYTES && !text.chars().any(char::is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_up_to_the_bound_and_without_control_characters() {
        let text = |bytes| "x".repeat(bytes);
        assert!(keepable(&text(TEXT_BYTES)).is_some());
        assert_eq!(keepable(&text(TEXT_BYTES + 1)), None);
        assert_eq!(keepable("a\u{1}"), None);
    }
}
