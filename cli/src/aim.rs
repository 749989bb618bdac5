//! Whom callbacks are sent to, in whose name, and where their records can be looked at.

use std::collections::BTreeMap;

use clap::Args;
use ringback::tencent::signature::SigningToken;

use crate::error::Stop;
use crate::output::now;
use crate::place::{Kind, Place, Where};
use crate::scenario::Vendor;
use crate::target::{Answer, Callback, Sender, Target, Token, base_url};

/// Ids for a stack that takes any.
const ANY_SERVICE: &str = "ringback";
const ANY_APP: &str = "1400000000";

#[derive(Args, Clone, Debug)]
pub(crate) struct Aim {
    /// Where callbacks go: `https://HOST/TOKEN`; in the variable, the token is in no list of processes
    #[arg(long, env = "RINGBACK_URL", hide_env_values = true)]
    url: Option<String>,
    /// The LINE service id to send as
    #[arg(long, env = "SERVICE_ID", value_name = "ID")]
    service_id: Option<String>,
    /// The Tencent `SDKAppID` to send as
    #[arg(long, env = "SDK_APP_ID", value_name = "ID")]
    sdk_app_id: Option<String>,
    /// Tencent's signing token, only as a variable
    #[arg(long, env = "TENCENT_CALLBACK_TOKEN", hide = true, hide_env_values = true)]
    tencent_callback_token: Option<String>,
}

/// An [`Aim`] that has found its target.
#[derive(Debug)]
pub(crate) struct Aimed {
    pub(crate) target: Target,
    /// The Ringback behind the target, where it is known.
    pub(crate) place: Option<Place>,
    sender: Sender,
    signing: Option<SigningToken>,
    line: String,
    tencent: String,
}

impl Aim {
    pub(crate) async fn find(&self, at: &Where) -> Result<Aimed, Stop> {
        let given =
            self.url.as_deref().filter(|url| !url.trim().is_empty()).map(Target::parse).transpose()?;
        let place = if at.names_a_deployment() { Some(at.place().await?) } else { Place::local()? };
        let target = match (given, place.as_ref().map(|place| &place.kind)) {
            (Some(target), _) => target,
            (None, Some(Kind::Local(local))) => Target::parse(&local.callback_url)?,
            (None, Some(Kind::Deployed(stack))) => {
                let (base, own) = match (stack.outputs.get("ApiUrl"), &place) {
                    (Some(url), _) => (base_url(url)?, BTreeMap::new()),
                    (None, Some(place)) => {
                        let own = stack.function_urls(place).await?;
                        let first = own.values().next().cloned();
                        (
                            first.ok_or_else(|| {
                                Stop::new(format!("{} has neither an API nor functions", stack.name))
                            })?,
                            own,
                        )
                    }
                    (None, None) => return Err(Stop::new(format!("{} has no API", stack.name))),
                };
                Target { base, own, token: token_in_hand()? }
            }
            (None, None) => return Err(Stop::new("where to? Start `make run`, or give --url or --stack")),
        };
        // Another Ringback's records say nothing about this target.
        let place = place.filter(|place| match &place.kind {
            Kind::Deployed(_) => true,
            Kind::Local(local) => {
                Target::parse(&local.callback_url).is_ok_and(|local| local.base == target.base)
            }
        });
        let ids = |own: &Option<String>, list: fn(&Place) -> &String, any: &str| {
            let first = place.as_ref().and_then(|place| list(place).split(',').next()).unwrap_or_default();
            let first = if first == "any" { any } else { first };
            own.clone().filter(|id| !id.is_empty()).unwrap_or_else(|| first.to_owned())
        };
        let signing = self.tencent_callback_token.as_deref().and_then(SigningToken::parse);
        Ok(Aimed {
            line: ids(&self.service_id, |place| &place.line_ids, ANY_SERVICE),
            tencent: ids(&self.sdk_app_id, |place| &place.tencent_ids, ANY_APP),
            sender: Sender::new(&target)?,
            signing,
            target,
            place,
        })
    }
}

impl Aimed {
    /// The id to send a vendor's callbacks as; nothing when none is known.
    pub(crate) fn service(&self, vendor: Vendor) -> Option<&str> {
        let id = if vendor == Vendor::Line { &self.line } else { &self.tencent };
        Some(id.as_str()).filter(|id| !id.is_empty())
    }

    pub(crate) async fn send(&self, callback: &Callback) -> Answer {
        let request = self.request(callback);
        self.sender.send(&self.target, &request, None).await
    }

    pub(crate) async fn send_by(&self, callback: &Callback, method: &str) -> Answer {
        self.sender.send(&self.target, callback, Some(method)).await
    }

    pub(crate) async fn send_with(&self, callback: &Callback, token: Token) -> Answer {
        let target = Target { token, ..self.target.clone() };
        self.sender.send(&target, &self.request(callback), None).await
    }

    /// A future that a task can own.
    pub(crate) fn sending(&self, callback: &Callback) -> impl Future<Output = Answer> + Send + use<> {
        let (sender, target, request) = (self.sender.clone(), self.target.clone(), self.request(callback));
        async move { sender.send(&target, &request, None).await }
    }

    /// The callback, with Tencent's signature where a token for it is set.
    fn request(&self, callback: &Callback) -> Callback {
        let mut request = callback.clone();
        if let Some(token) = self.signing.as_ref().filter(|_| callback.route.vendor.name == "tencent") {
            let time = now().as_secs().to_string();
            request.query = format!("{}&RequestTime={time}&Sign={}", callback.query, token.sign(&time));
        }
        request
    }
}

/// The token, from the environment or typed without being shown.
fn token_in_hand() -> Result<Token, Stop> {
    let terminal = console::Term::stderr();
    let text = match std::env::var("RINGBACK_TOKEN") {
        Ok(text) => text,
        Err(_) if console::user_attended() => {
            terminal.write_str("Token (it is not shown): ")?;
            terminal.read_secure_line()?
        }
        Err(_) => {
            return Err(Stop::new("which token? Set RINGBACK_TOKEN, or RINGBACK_URL with the whole URL"));
        }
    };
    Token::parse(text.trim()).ok_or_else(|| Stop::new("this is no token that `ringback token` has made"))
}
