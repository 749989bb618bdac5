//! `ringback token`: makes a token, the secret in the callback URLs, and prints it once.

use clap::Args;
use ringback::door::route::Route;
use serde_json::json;

use crate::error::Stop;
use crate::output::Output;
use crate::target::{Token, base_url};

const PLACEHOLDER: &str = "https://YOUR-API";

/// Make a token: the secret in your URLs, its digest and the URLs to register
#[derive(Args, Debug)]
pub(crate) struct MakeToken {
    /// The address of your API, which the deployment prints as `ApiUrl`
    #[arg(long, env = "API_URL", value_name = "URL")]
    api_url: Option<String>,
}

impl MakeToken {
    pub(crate) fn run(self, out: Output) -> Result<(), Stop> {
        let given = self.api_url.filter(|url| !url.is_empty());
        let base = given.as_deref().map_or(Ok(PLACEHOLDER.to_owned()), base_url)?;
        let token = Token::random()?;
        let urls = urls(&base, &token);
        let mut lines = vec![
            "This is shown once and stored nowhere. Its owner can ring your users: keep it like a password."
                .to_owned(),
            format!("\ntoken   {}\ndigest  {}", token.reveal(), token.digest()),
            "\nDeploy with the digest: make deploy TOKEN_SHA256=digest (old,new to change it). Then register:"
                .to_owned(),
        ];
        lines.extend(urls.iter().map(|(what, url)| format!("\n{what}\n  {url}")));
        if base == PLACEHOLDER {
            lines.push(format!(
                "\nReplace {PLACEHOLDER} by the address of your API; the deployment prints it."
            ));
        }
        let named: Vec<_> = urls.iter().map(|(what, url)| json!({ "callback": what, "url": url })).collect();
        let value = json!({ "token": token.reveal(), "digest": token.digest(), "urls": named });
        out.result(&value, &lines.join("\n"));
        Ok(())
    }
}

/// Where each callback is registered, and its URL.
fn urls(base: &str, token: &Token) -> Vec<(String, String)> {
    let entry = |route: &Route| {
        let console = if route.vendor.name == "line" { "LINE Planet Console" } else { "Tencent" };
        let callback = route.callback.trim_start_matches("tencent_").replace('_', " ");
        (format!("{console}, {callback} callback"), format!("{base}/{}{}", token.reveal(), route.path))
    };
    Route::ALL.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_callback_has_its_console_and_its_url() {
        let urls = urls("https://api.example", &Token::parse("secret").unwrap());
        assert_eq!(urls.len(), Route::ALL.len());
        assert_eq!(
            urls[0],
            (
                "LINE Planet Console, notify callback".to_owned(),
                "https://api.example/secret/line/notify_cb".to_owned(),
            )
        );
        assert_eq!(
            urls[4],
            (
                "Tencent, call event callback".to_owned(),
                "https://api.example/secret/tencent/call_event".to_owned(),
            )
        );
    }
}
