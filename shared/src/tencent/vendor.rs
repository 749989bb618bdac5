//! Tencent at the gate: its route, SDKAppIDs, signature and answers.

use serde_json::json;

use crate::door::route::Route;
use crate::door::vendor::{SignatureScheme, Variable, Vendor, Verdict, ids_in_query};
use crate::tencent::signature::SigningToken;
use crate::text::json::without_byte_order_mark;

pub static TENCENT: Vendor = Vendor {
    name: "tencent",
    ids_variable: Variable {
        name: "TENCENT_SDK_APP_IDS",
        expected: "SDKAppIDs separated by commas, or the word any",
    },
    sources_variable: "TENCENT_SOURCE_CIDRS",
    ids: |request| ids_in_query(request, names_an_app),
    // Tencent's page says that the app backend must check the SDKAppID. The console checks a URL
    // with an empty object, which needs no protection.
    may_name_none: |request| is_blank(request.body()),
    signature: Some(SignatureScheme {
        variable: Variable { name: "TENCENT_CALLBACK_TOKEN", expected: "a token of 1 to 128 characters" },
        verifier: |text| SigningToken::parse(text).map(|token| Box::new(token) as _),
    }),
    body,
};

/// Every call callback of both generations.
pub static CALL_EVENT: Route =
    Route { callback: "tencent_call_event", vendor: &TENCENT, method: "POST", path: "/tencent/call_event" };

/// `sdkappid` in the older generation, `SdkAppid` in the current one.
pub(super) fn names_an_app(name: &str) -> bool {
    name.eq_ignore_ascii_case("sdkappid")
}

fn is_blank(body: &str) -> bool {
    let body = without_byte_order_mark(body);
    body.bytes().filter(|byte| !byte.is_ascii_whitespace()).eq(*b"{}") || body.trim().is_empty()
}

/// One body for both generations: the older reads `ErrorCode` and `ErrorMessage`, the current
/// `ActionStatus` and `ErrorInfo`. The older generation resends on any `ErrorCode` but 0, up to six
/// times in 12 s (Tencent, "Call status callback").
fn body(verdict: &Verdict) -> String {
    if verdict.status == 200 {
        return json!({ "ActionStatus": "OK", "ErrorInfo": "", "ErrorCode": 0, "ErrorMessage": "Success" })
            .to_string();
    }
    let info =
        verdict.field.map_or_else(|| verdict.code.to_owned(), |field| format!("{}: {field}", verdict.code));
    json!({ "ActionStatus": "FAIL", "ErrorInfo": info, "ErrorCode": verdict.status, "ErrorMessage": info })
        .to_string()
}
