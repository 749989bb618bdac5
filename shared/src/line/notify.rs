//! Notify: an incoming call, for which the app server must ring the callee (LINE Planet, "Notify
//! callback").

use std::fmt;

use crate::call::model::{Media, Person, Personal, SessionId};
use crate::door::access::Verified;
use crate::line;
use crate::text::refusal::Refusal;

/// LINE's `param`, byte for byte. The callee's phone needs it to answer, and anyone who has it can
/// answer.
#[derive(Clone, PartialEq, Eq)]
pub struct CcParam(String);

impl CcParam {
    /// Wraps the value of `param`. `None` if it is empty.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (!text.is_empty()).then_some(Self(text))
    }

    /// The value, for the push job only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CcParam {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CcParam(..)")
    }
}

/// An incoming call.
#[derive(Clone, Debug)]
pub struct Notify {
    pub session: SessionId,
    /// Who calls.
    pub caller: Option<Person>,
    /// Who should be rung.
    pub callee: Option<Person>,
    /// `type` as sent.
    pub call_type: Option<String>,
    /// What `type` means.
    pub media: Option<Media>,
    /// What the callee's phone must get, unchanged.
    pub cc_param: CcParam,
    /// App data under its deprecated name.
    pub stid: Option<Personal>,
    pub app_svr_data: Option<Personal>,
}

impl Notify {
    /// Reads a notify callback.
    ///
    /// # Errors
    /// [`Refusal::MissingField`] or [`Refusal::UnusableField`] for `sid` and `param`. Without them
    /// no phone can ring, and the caller should learn that at once.
    pub fn read(request: &Verified) -> Result<Self, Refusal> {
        let parameters = request.parameters();
        let call_type = parameters.text("type");
        Ok(Self {
            session: line::session(parameters)?,
            caller: Person::new(parameters.text("from_service_id"), parameters.text("from_user_id")),
            callee: Person::new(parameters.text("to_service_id"), parameters.text("to_user_id")),
            call_type: call_type.map(str::to_owned),
            media: line::media(call_type),
            cc_param: cc_param(request)?,
            stid: parameters.text("stid").map(Personal::new),
            app_svr_data: parameters.text("app_svr_data").map(Personal::new),
        })
    }
}

/// Base64 has no spaces, so a space was a `+` before some form decoder replaced it. Nothing else is
/// checked or changed: the value is for LINE's own SDK.
fn cc_param(request: &Verified) -> Result<CcParam, Refusal> {
    let sent = || request.parameters().values(|name| name == "param").filter(|param| *param != Some(""));
    let text = sent().flatten().next();
    let refusal = if sent().next().is_some() {
        Refusal::UnusableField("param")
    } else {
        Refusal::MissingField("param")
    };
    text.and_then(|text| CcParam::new(text.replace(' ', "+"))).ok_or(refusal)
}
