//! `ringback deploy`: runs `sam build` and `sam deploy` for a stage, with a release name, and checks that the
//! release is live.
//!
//! CloudFormation is left to refuse what it refuses by itself (the template's Rules, a stack in the wrong
//! state), but for values that can be judged before a build of many minutes.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aws_smithy_types::date_time::{DateTime, Format};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::error::Stop;
use crate::functions::functions;
use crate::output::{Output, clean, now};
use crate::place::{Place, Where};
use crate::template::refuse_bad_values;

/// What this program decides itself.
const OURS: [&str; 2] = ["Stage", "Release"];

/// Build and deploy a stage from this working copy, and check that callbacks reach the new release
#[derive(Args, Debug)]
pub(crate) struct Deploy {
    stage: Stage,
    /// The digests of the tokens to accept: one, or two with a comma
    #[arg(long, env = "TOKEN_SHA256", hide_env_values = true, value_name = "DIGESTS")]
    token_sha256: Option<String>,
    /// Your LINE Planet service ids, with commas between
    #[arg(long, env = "LINE_SERVICE_IDS", value_name = "IDS")]
    line_service_ids: Option<String>,
    /// Your Tencent `SDKAppID`s, with commas between
    #[arg(long, env = "TENCENT_SDK_APP_IDS", value_name = "IDS")]
    tencent_sdk_app_ids: Option<String>,
    /// Tencent's signing token, only as a variable
    #[arg(long, env = "TENCENT_CALLBACK_TOKEN", hide = true, hide_env_values = true)]
    tencent_callback_token: Option<String>,
    /// Any of the template's parameters: 'Name=value Other=value'
    #[arg(long, env = "PARAMETERS", hide_env_values = true, value_name = "LIST")]
    parameters: Option<String>,
    /// Let SAM not ask before it changes production: the stack's name
    #[arg(long, value_name = "STACK")]
    yes: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stage {
    Dev,
    Prod,
}

impl Stage {
    fn name(self) -> &'static str {
        if self == Self::Dev { "dev" } else { "prod" }
    }
}

impl Deploy {
    pub(crate) async fn run(self, at: &Where, out: Output) -> Result<(), Stop> {
        let (root, stage) = (project()?, self.stage.name());
        let release = release_name(&root, self.stage)?;
        let configured = Configured::read(&root, stage)?;
        let stack = at.stack().map_or(configured.stack, str::to_owned);
        // SAM reads parameters from its file or from us, so they are merged here. All others keep their
        // values.
        let mut parameters = configured.parameters;
        parameters.extend(self.given()?);
        parameters.extend([("Stage".to_owned(), stage.to_owned()), ("Release".to_owned(), release.clone())]);
        refuse_bad_values(&std::fs::read_to_string(root.join("template.yaml"))?, &parameters)?;

        let desk = at.desk().await?;
        // A change set that was never executed leaves a stack in review, without outputs.
        let before = desk.find(&stack).await?.filter(|before| before.status != "REVIEW_IN_PROGRESS");
        if let Some(before) = before {
            if before.parameters.contains_key("Architecture") {
                // SAM builds for the architecture that it is given, not for the one that the stack has.
                let own = before.parameters.get("Architecture").cloned().unwrap_or_default();
                parameters.entry("Architecture".into()).or_insert(own);
            }
            let (its, place) = (before.stage(), Place::of_deployment(before, desk.config.clone())?);
            if its != stage {
                return Err(Stop::new(format!("{stack} is a {its} stack, not {stage}")));
            }
            out.tell(&place.description());
        }
        self.build_and_deploy(&Sam { root, region: desk.region, at, out }, &stack, &parameters)?;
        report(at.deployment(&stack).await?, &release, out).await
    }

    /// The parameters given now. An empty one keeps the value that the stack has.
    fn given(&self) -> Result<BTreeMap<String, String>, Stop> {
        let own = [
            ("CallbackTokenSha256", &self.token_sha256),
            ("LineServiceIds", &self.line_service_ids),
            ("TencentSdkAppIds", &self.tencent_sdk_app_ids),
            ("TencentCallbackToken", &self.tencent_callback_token),
        ];
        let own = own.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        let own = own.filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.to_owned(), value));
        let words = shlex::split(self.parameters.as_deref().unwrap_or_default())
            .ok_or_else(|| Stop::new("PARAMETERS has a quote without its other half"))?;
        let others = words.iter().map(|word| match word.split_once('=') {
            Some((name, value)) if !OURS.contains(&name) => Ok((name.to_owned(), value.to_owned())),
            _ => {
                let name = word.split('=').next().unwrap_or_default();
                Err(Stop::new(format!(
                    "PARAMETERS has {name}: it is a list of Name=value without Stage and Release"
                )))
            }
        });
        own.map(Ok).chain(others).collect()
    }

    /// The parameters go through a file that only its owner reads: other users see command lines.
    fn build_and_deploy(
        &self,
        sam: &Sam<'_>,
        stack: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Result<(), Stop> {
        let mut file = tempfile::Builder::new().prefix("ringback-").suffix(".yaml").tempfile()?;
        // JSON is YAML.
        file.write_all(json!(parameters).to_string().as_bytes())?;
        let file = format!("file://{}", file.path().display());
        let common = ["--config-env", self.stage.name(), "--parameter-overrides", &file];
        if !sam.run(&[&["build"], &common[..]].concat())? {
            return Err(Stop::new("`sam build` failed. Nothing was changed"));
        }
        // SAM asks before it changes production, unless the stack was named already.
        let named = self.yes.as_deref() == Some(stack);
        let unasked: &[&str] = if named { &["--no-confirm-changeset"] } else { &[] };
        if !sam.run(&[&["deploy", "--stack-name", stack], &common[..], unasked].concat())? {
            return Err(Stop::new("`sam deploy` failed. CloudFormation takes back what it had begun"));
        }
        Ok(())
    }
}

/// What samconfig.toml says about a stage.
struct Configured {
    stack: String,
    parameters: BTreeMap<String, String>,
}

impl Configured {
    fn read(root: &Path, stage: &str) -> Result<Self, Stop> {
        let wrong = |why: &str| Stop::new(format!("samconfig.toml: {why}"));
        let text = std::fs::read_to_string(root.join("samconfig.toml"))?;
        let file: toml::Table = text.parse().map_err(|error: toml::de::Error| wrong(error.message()))?;
        let deploy = file.get(stage).and_then(|stage| stage.get("deploy")?.get("parameters"));
        let deploy = deploy.ok_or_else(|| wrong(&format!("it has no [{stage}.deploy.parameters]")))?;
        let stack = deploy.get("stack_name").and_then(toml::Value::as_str);
        let listed = deploy.get("parameter_overrides").and_then(toml::Value::as_array);
        let pair = |each: &toml::Value| {
            let word = shlex::split(each.as_str()?)?.into_iter().next()?;
            word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        let parameters: Option<BTreeMap<_, _>> = listed.into_iter().flatten().map(pair).collect();
        Ok(Self {
            stack: stack.ok_or_else(|| wrong("it names no stack"))?.to_owned(),
            parameters: parameters.ok_or_else(|| wrong("parameter_overrides must be Name=value"))?,
        })
    }
}

/// The working copy that this folder is in.
fn project() -> Result<PathBuf, Stop> {
    let here = std::env::current_dir()?;
    let found = here
        .ancestors()
        .find(|folder| folder.join("template.yaml").is_file() && folder.join("samconfig.toml").is_file());
    found.map(Path::to_path_buf).ok_or_else(|| {
        Stop::new(
            "this folder is in no working copy of Ringback: template.yaml and samconfig.toml are missing",
        )
    })
}

/// A name that is new each time, so that every change reaches the alias, with the commit in it.
fn release_name(root: &Path, stage: Stage) -> Result<String, Stop> {
    let commit = git(root, &["rev-parse", "--short", "HEAD"]);
    let changed = !git(root, &["status", "--porcelain"]).is_empty();
    if stage == Stage::Prod && (commit.is_empty() || changed) {
        return Err(Stop::new(
            "production gets what is committed: this working tree has changes or is not in Git",
        ));
    }
    let seconds = i64::try_from(now().as_secs()).unwrap_or_default();
    let time = DateTime::from_secs(seconds).fmt(Format::DateTime).unwrap_or_default();
    let mut name = time.replace(['-', ':'], "");
    if !commit.is_empty() {
        name = format!("{name}-{commit}{}", if changed { "-dirty" } else { "" });
    }
    Ok(name)
}

/// What Git answers; nothing when there is no Git.
fn git(root: &Path, arguments: &[&str]) -> String {
    let done = Command::new("git").args(arguments).current_dir(root).output();
    let done = done.ok().filter(|done| done.status.success());
    done.map(|done| String::from_utf8_lossy(&done.stdout).trim().to_owned()).unwrap_or_default()
}

/// The SAM CLI, run where a person sees it.
pub(crate) struct Sam<'a> {
    root: PathBuf,
    region: String,
    at: &'a Where,
    out: Output,
}

impl<'a> Sam<'a> {
    pub(crate) fn for_stack(region: &str, at: &'a Where, out: Output) -> Result<Self, Stop> {
        Ok(Self { root: std::env::current_dir()?, region: region.to_owned(), at, out })
    }

    /// Whether it succeeded.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<bool, Stop> {
        // cargo-lambda finds its linker through the Python that it was installed with, so that one comes
        // first.
        let own = std::env::var_os("PATH").unwrap_or_default();
        let local = self.root.join(".local");
        let folders = std::iter::once(local.join("venv/bin"))
            .chain(std::env::split_paths(&own))
            .chain([local.join("checks/bin")]);
        let path = std::env::join_paths(folders).map_err(|error| Stop::new(format!("PATH: {error}")))?;
        let mut command = Command::new("sam");
        command.args(arguments).args(["--region", &self.region]).current_dir(&self.root).env("PATH", path);
        if std::env::var_os("SAM_CLI_TELEMETRY").is_none() {
            command.env("SAM_CLI_TELEMETRY", "0");
        }
        if let Some(profile) = self.at.profile() {
            command.env("AWS_PROFILE", profile);
        }
        if self.out.json {
            command.stdout(Stdio::from(std::io::stderr()));
        }
        match command.status() {
            Ok(status) => Ok(status.success()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(Stop::new("the AWS SAM CLI is not installed: `pip install aws-sam-cli`"))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Says whether what answers callbacks is what was deployed.
async fn report(place: Place, release: &str, out: Output) -> Result<(), Stop> {
    let Some(stack) = place.deployed() else { return Err(Stop::new("this is no deployment")) };
    let mut behind = Vec::new();
    let functions = functions(&place, stack).await?;
    for function in &functions {
        let mut reasons = function.differs.clone();
        if function.release != release {
            reasons.push(format!("release ({})", clean(&function.release)));
        }
        if !reasons.is_empty() {
            behind.push(format!("{} differs in {}", function.name, reasons.join(", ")));
        }
    }
    let live = behind.is_empty() && stack.parameters.get("Release").is_some_and(|own| own == release);
    let text = if live {
        let name = &stack.name;
        format!("\n{} functions answer as release {release}: ringback doctor --stack {name}", functions.len())
    } else {
        let head = format!("\nNOT LIVE: callbacks are not answered by release {release}.");
        behind.iter().fold(head, |text, each| format!("{text}\n  {each}"))
    };
    let value = json!({
        "stack": stack.name, "release": release, "live": live, "functions": functions.len(), "behind": behind,
    });
    out.result(&value, &text);
    if live { Ok(()) } else { Err(Stop::new("the release is not live")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_repository_configures_is_what_its_template_takes() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for stage in ["dev", "prod"] {
            let configured = Configured::read(root, stage).unwrap();
            assert_eq!(configured.stack, format!("ringback-{stage}"));
            assert_eq!(configured.parameters["Stage"], stage);
            let template = include_str!("../../template.yaml");
            assert_eq!(refuse_bad_values(template, &configured.parameters), Ok(()));
        }
    }
}
