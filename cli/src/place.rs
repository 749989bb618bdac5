//! Which Ringback a command works on: the running local stack, or a deployment that CloudFormation describes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use clap::Args;
use ringback::door::route::Route;
use ringback::history::SHARDS;

use crate::error::Stop;
use crate::target;

const NO_STACK: &str =
    "no local stack is running: start one with `make run`, or name a deployment with --stack";
/// As the template's parameter `StaleHours`.
const STALE_HOURS: u64 = 2;
/// What callbacks reach.
pub(crate) const ALIAS: &str = "live";
/// Outputs that no other stack is likely to have.
const OURS: [&str; 2] = ["RecordsTableName", "SpoolQueueArn"];

#[derive(Args, Clone, Debug)]
pub(crate) struct Where {
    /// A deployment's CloudFormation stack; without it, the running local stack
    #[arg(long, global = true, value_name = "NAME")]
    stack: Option<String>,
    /// The profile of your AWS configuration
    #[arg(long, global = true)]
    profile: Option<String>,
    /// The region of the deployment
    #[arg(long, global = true)]
    region: Option<String>,
}

/// AWS as the person at this desk sees it.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) config: SdkConfig,
    pub(crate) region: String,
}

/// A Ringback and the AWS that it runs on.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) table: String,
    pub(crate) push_jobs_topic: String,
    pub(crate) spool: Queue,
    pub(crate) dead_letters: Queue,
    /// Whose callbacks it takes: lists, `any`, or nothing.
    pub(crate) line_ids: String,
    pub(crate) tencent_ids: String,
    pub(crate) push_keys: PushKeys,
    /// What calls are read from, where they can be read.
    pub(crate) reading: Option<Reading>,
    pub(crate) kind: Kind,
    config: SdkConfig,
    endpoints: BTreeMap<String, String>,
}

/// The names of the parameters with the keys that ring phones, where it rings, and other addresses than
/// Apple's and Google's.
#[derive(Clone, Debug, Default)]
pub(crate) struct PushKeys {
    pub(crate) apns: Option<String>,
    pub(crate) fcm: Option<String>,
    pub(crate) apns_url: Option<String>,
    pub(crate) fcm_url: Option<String>,
    pub(crate) authorities: Option<String>,
}

/// The tables of lists and of figures, and the API of the history.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) views: String,
    pub(crate) figures: String,
    /// Without one, where cargo-lambda has deployed the function.
    pub(crate) history_url: Option<String>,
    pub(crate) unindexed_users: Vec<String>,
    pub(crate) shards: u32,
    /// Hours without an event after which a live call counts as silent.
    pub(crate) stale_hours: u64,
}

impl Reading {
    /// `get` finds a value by the name of an output or of a variable.
    fn found(get: impl Fn(&str, &str) -> Option<String>) -> Option<Self> {
        let unindexed = get("UnindexedUsers", "UNINDEXED_USERS").unwrap_or_default();
        Some(Self {
            views: get("ViewsTableName", "VIEWS_TABLE")?,
            figures: get("FiguresTableName", "FIGURES_TABLE")?,
            history_url: get("HistoryUrl", "HISTORY_URL"),
            unindexed_users: unindexed.split(',').map(str::to_owned).collect(),
            shards: get("Shards", "SHARDS").and_then(|shards| shards.parse().ok()).unwrap_or(SHARDS),
            stale_hours: get("StaleHours", "STALE_HOURS")
                .and_then(|hours| hours.parse().ok())
                .unwrap_or(STALE_HOURS),
        })
    }
}

impl PushKeys {
    pub(crate) fn is_empty(&self) -> bool {
        self.apns.is_none() && self.fcm.is_none()
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Local(Local),
    Deployed(Deployed),
}

/// The running local stack.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    pub(crate) callback_url: String,
    pub(crate) push_jobs_queue: String,
    pub(crate) token_digests: String,
    /// The registry of devices, and what the stand-ins of APNs and FCM have got, where the stack rings.
    pub(crate) devices_url: Option<String>,
    pub(crate) phones_url: Option<String>,
    /// Where the functions' logs are.
    pub(crate) folder: PathBuf,
}

/// A stack as CloudFormation describes it. Values of secret parameters are stars.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deployed {
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) region: String,
    /// The account and the stack in its id.
    pub(crate) account: String,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) outputs: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Queue {
    Url(String),
    Name(String),
}

impl Deployed {
    /// A stack that does not say its stage may well be in production.
    pub(crate) fn is_production(&self) -> bool {
        self.stage() == "prod"
    }

    pub(crate) fn stage(&self) -> &'static str {
        if self.parameters.get("Stage").is_some_and(|stage| stage == "dev") { "dev" } else { "prod" }
    }

    /// The names of its resources of a kind, by their names in the template.
    pub(crate) async fn resources(
        &self,
        place: &Place,
        kind: &str,
    ) -> Result<BTreeMap<String, String>, Stop> {
        let client = aws_sdk_cloudformation::Client::new(&place.config("CLOUDFORMATION"));
        let mut pages = client.list_stack_resources().stack_name(&self.name).into_paginator().send();
        let mut found = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(Stop::aws(&format!("list the resources of {}", self.name)))?;
            for each in page.stack_resource_summaries() {
                if each.resource_type() == Some(kind) {
                    let names = each.logical_resource_id().zip(each.physical_resource_id());
                    found.extend(names.map(|(logical, physical)| (logical.to_owned(), physical.to_owned())));
                }
            }
        }
        Ok(found)
    }

    /// The real names of its functions, by those in the template or of their binaries. Where cargo-lambda
    /// deploys them, they are not the stack's, and are called after it.
    pub(crate) async fn functions(&self, place: &Place) -> Result<BTreeMap<String, String>, Stop> {
        let of_stack = self.resources(place, "AWS::Lambda::Function").await?;
        if !of_stack.is_empty() {
            return Ok(of_stack);
        }
        let client = aws_sdk_lambda::Client::new(&place.config("LAMBDA"));
        let mut found = BTreeMap::new();
        for binary in functions() {
            let name = format!("{}-{binary}", self.name);
            match client.get_function_configuration().function_name(&name).send().await {
                Ok(_) => found.extend([(binary, name)]),
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(|error| error.is_resource_not_found_exception()) => {}
                Err(error) => return Err(Stop::aws(&format!("read the function {name}"))(error)),
            }
        }
        Ok(found)
    }

    /// The URLs of the functions themselves, by their callbacks, where there is no API in front of them.
    pub(crate) async fn function_urls(&self, place: &Place) -> Result<BTreeMap<&'static str, String>, Stop> {
        let client = aws_sdk_lambda::Client::new(&place.config("LAMBDA"));
        let (functions, mut found) = (self.functions(place).await?, BTreeMap::new());
        for route in Route::ALL {
            let Some(name) = functions.get(&route.binary()) else { continue };
            let asked = client.get_function_url_config().function_name(name).qualifier(ALIAS).send().await;
            let url = asked.map_err(Stop::aws(&format!("find the URL of {name}")))?.function_url;
            found.insert(route.callback, target::base_url(&url)?);
        }
        Ok(found)
    }

    fn output(&self, name: &str) -> Result<&str, Stop> {
        let output = self.outputs.get(name).map(String::as_str);
        output.ok_or_else(|| {
            Stop::new(format!("{} is not a Ringback stack: it has no output {name}", self.name))
        })
    }
}

impl Where {
    pub(crate) fn names_a_deployment(&self) -> bool {
        self.stack.is_some()
    }

    pub(crate) fn stack(&self) -> Option<&str> {
        self.stack.as_deref()
    }

    pub(crate) fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }

    /// The named deployment, or the running local stack.
    pub(crate) async fn place(&self) -> Result<Place, Stop> {
        match &self.stack {
            Some(name) => self.deployment(name).await,
            None => Place::local()?.ok_or_else(|| Stop::new(NO_STACK)),
        }
    }

    /// AWS with the settings of the person at this desk: profiles, SSO, environment variables.
    pub(crate) async fn aws(&self) -> Result<SdkConfig, Stop> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            // One throttled request must not end the scan of a long table.
            .retry_config(RetryConfig::standard().with_max_attempts(8))
            .timeout_config(timeouts());
        let connector = SharedHttpConnector::new(target::connector(false, "https://")?);
        loader = loader.http_client(http_client_fn(move |_, _| connector.clone()));
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        Ok(loader.load().await)
    }

    /// AWS and the region where a deployment is.
    pub(crate) async fn desk(&self) -> Result<Desk, Stop> {
        let config = self.aws().await?;
        let none = || Stop::new("no AWS region: give --region, or set AWS_REGION or a profile that has one");
        let region = config.region().map(ToString::to_string).filter(|region| !region.is_empty());
        let region = region.ok_or_else(none)?;
        Ok(Desk { config, region })
    }

    pub(crate) async fn deployment(&self, name: &str) -> Result<Place, Stop> {
        let desk = self.desk().await?;
        let none =
            || Stop::new(format!("there is no stack {name} in {}: check --stack and --region", desk.region));
        let deployed = desk.find(name).await?.ok_or_else(none)?;
        Place::of_deployment(deployed, desk.config)
    }
}

impl Desk {
    /// The stack of a name, if there is one.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<Deployed>, Stop> {
        let client = aws_sdk_cloudformation::Client::new(&self.config);
        let described = match client.describe_stacks().stack_name(name).send().await {
            // CloudFormation has no error of its own for this.
            Err(error) if error.message().is_some_and(|said| said.contains("does not exist")) => {
                return Ok(None);
            }
            described => {
                described.map_err(Stop::aws(&format!("find the stack {name} in {}", self.region)))?
            }
        };
        let Some(stack) = described.stacks().first() else { return Ok(None) };
        let pairs = |each: (Option<&str>, Option<&str>)| Some((each.0?.to_owned(), each.1?.to_owned()));
        let parameters =
            stack.parameters().iter().filter_map(|p| pairs((p.parameter_key(), p.parameter_value())));
        let outputs = stack.outputs().iter().filter_map(|o| pairs((o.output_key(), o.output_value())));
        Ok(Some(Deployed {
            name: stack.stack_name().unwrap_or(name).to_owned(),
            status: stack.stack_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
            account: stack.stack_id().and_then(|id| id.split(':').nth(4)).unwrap_or("unknown").to_owned(),
            parameters: parameters.collect(),
            outputs: outputs.collect(),
            region: self.region.clone(),
        }))
    }
}

impl Place {
    pub(crate) fn of_deployment(deployed: Deployed, config: SdkConfig) -> Result<Self, Stop> {
        for output in OURS {
            deployed.output(output)?;
        }
        let queue = |output| {
            let arn = deployed.output(output)?;
            Ok::<_, Stop>(Queue::Name(arn.rsplit(':').next().unwrap_or(arn).to_owned()))
        };
        let parameter = |name: &str| deployed.parameters.get(name).cloned().unwrap_or_default();
        Ok(Self {
            table: deployed.output("RecordsTableName")?.to_owned(),
            push_jobs_topic: deployed.output("PushJobsTopicArn")?.to_owned(),
            spool: queue("SpoolQueueArn")?,
            dead_letters: queue("DeadLetterQueueArn")?,
            line_ids: parameter("LineServiceIds"),
            tencent_ids: parameter("TencentSdkAppIds"),
            push_keys: PushKeys {
                apns: Some(parameter("ApnsKeyParameter")).filter(|name| !name.is_empty()),
                fcm: Some(parameter("FcmKeyParameter")).filter(|name| !name.is_empty()),
                ..PushKeys::default()
            },
            reading: Reading::found(|name, _| {
                deployed.outputs.get(name).or_else(|| deployed.parameters.get(name)).cloned()
            }),
            kind: Kind::Deployed(deployed),
            endpoints: BTreeMap::new(),
            config,
        })
    }

    /// The running local stack, if there is one.
    pub(crate) fn local() -> Result<Option<Self>, Stop> {
        let Some(file) = stack_env() else { return Ok(None) };
        let Ok(text) = std::fs::read_to_string(&file) else { return Ok(None) };
        let variables = variables(&text);
        let get = |name: &str| {
            let missing =
                || Stop::new(format!("{} has no {name}: start the local stack again", file.display()));
            variables.get(name).cloned().ok_or_else(missing)
        };
        let given = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
        let connector = SharedHttpConnector::new(target::connector(true, "http://")?);
        let credentials = Credentials::new(
            get("AWS_ACCESS_KEY_ID")?,
            get("AWS_SECRET_ACCESS_KEY")?,
            None,
            None,
            "stack.env",
        );
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(get("AWS_REGION")?))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .timeout_config(timeouts())
            .build();
        Ok(Some(Self {
            table: get("RECORDS_TABLE")?,
            push_jobs_topic: get("PUSH_JOBS_TOPIC_ARN")?,
            spool: Queue::Url(get("SPOOL_QUEUE_URL")?),
            dead_letters: Queue::Url(get("DEAD_LETTER_QUEUE_URL")?),
            line_ids: get("LINE_SERVICE_IDS")?,
            tencent_ids: get("TENCENT_SDK_APP_IDS")?,
            push_keys: PushKeys {
                apns: given("APNS_KEY_PARAMETER"),
                fcm: given("FCM_KEY_PARAMETER"),
                apns_url: given("APNS_ENDPOINT_URL"),
                fcm_url: given("FCM_ENDPOINT_URL"),
                authorities: given("PUSH_CA_BUNDLE"),
            },
            reading: Reading::found(|_, name| given(name)),
            kind: Kind::Local(Local {
                callback_url: get("CALLBACK_URL")?,
                push_jobs_queue: get("PUSH_JOBS_QUEUE_URL")?,
                token_digests: get("CALLBACK_TOKEN_SHA256")?,
                devices_url: given("DEVICES_URL"),
                phones_url: given("PHONES_URL"),
                folder: file.parent().map(Path::to_path_buf).unwrap_or_default(),
            }),
            endpoints: variables
                .into_iter()
                .filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL_"))
                .collect(),
            config,
        }))
    }

    /// The settings of a service's client, such as `DYNAMODB`'s.
    pub(crate) fn config(&self, service: &str) -> SdkConfig {
        match self.endpoints.get(&format!("AWS_ENDPOINT_URL_{service}")) {
            Some(url) => self.config.to_builder().endpoint_url(url).build(),
            None => self.config.clone(),
        }
    }

    pub(crate) fn deployed(&self) -> Option<&Deployed> {
        match &self.kind {
            Kind::Deployed(deployed) => Some(deployed),
            Kind::Local(_) => None,
        }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        match &self.kind {
            Kind::Local(_) => "The local stack",
            Kind::Deployed(stack) => &stack.name,
        }
    }

    /// Which Ringback it is, so that another one is not taken for it.
    pub(crate) fn description(&self) -> String {
        match &self.kind {
            Kind::Local(_) => "The local stack.".to_owned(),
            Kind::Deployed(stack) => {
                let stage = stack.stage();
                let Deployed { name, status, region, account, .. } = stack;
                format!("{name}: a {stage} stack ({status}) in {region}, account {account}.")
            }
        }
    }
}

impl Queue {
    pub(crate) async fn url(&self, client: &aws_sdk_sqs::Client) -> Result<String, Stop> {
        match self {
            Self::Url(url) => Ok(url.clone()),
            Self::Name(name) => {
                let found = client.get_queue_url().queue_name(name).send().await;
                let found = found.map_err(Stop::aws(&format!("find the queue {name}")))?;
                Ok(found.queue_url.unwrap_or_default())
            }
        }
    }
}

/// Every function, by the name of its binary.
pub(crate) fn functions() -> impl Iterator<Item = String> {
    Route::ALL
        .into_iter()
        .map(Route::binary)
        .chain(["devices", "replay", "project", "history"].map(str::to_owned))
}

/// Where the running local stack says where it is: `RINGBACK_STACK_ENV`, or `.local/stack.env` in this folder
/// or one above it.
fn stack_env() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("RINGBACK_STACK_ENV").filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let here = std::env::current_dir().ok()?;
    here.ancestors().map(|folder| folder.join(".local/stack.env")).find(|path| path.is_file())
}

fn variables(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// The SDK sets none, and would wait for ever.
fn timeouts() -> TimeoutConfig {
    let (connect, attempt) = (Duration::from_secs(5), Duration::from_secs(20));
    TimeoutConfig::builder().connect_timeout(connect).operation_attempt_timeout(attempt).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> SdkConfig {
        SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build()
    }

    #[test]
    fn a_stack_without_our_outputs_is_not_touched() {
        let mut stack = Deployed { name: "theirs".into(), ..Deployed::default() };
        stack.outputs.insert("RecordsTableName".into(), "t".into());
        let error = Place::of_deployment(stack, config()).unwrap_err().to_string();
        assert_eq!(error, "theirs is not a Ringback stack: it has no output SpoolQueueArn");
    }

    #[test]
    fn the_template_has_what_is_looked_for_in_a_stack() {
        let template = include_str!("../../template.yaml");
        let outputs = ["PushJobsTopicArn", "DeadLetterQueueArn", "AlarmsTopicArn", "ApiUrl"];
        let reading = ["ViewsTableName", "FiguresTableName", "HistoryUrl", "UnindexedUsers", "Shards"];
        let parameters = ["Stage", "Release", "LineServiceIds", "TencentSdkAppIds"];
        for name in OURS.into_iter().chain(outputs).chain(reading).chain(parameters) {
            assert!(template.contains(&format!("\n  {name}:\n")), "{name}");
        }
        assert!(template.contains(&format!("AutoPublishAlias: {ALIAS}\n")));
    }

    #[test]
    fn only_a_stack_that_says_dev_is_not_in_production() {
        let mut stack = Deployed::default();
        assert!(stack.is_production());
        for (stage, production) in [("dev", false), ("prod", true), ("", true)] {
            stack.parameters.insert("Stage".into(), stage.into());
            assert_eq!(stack.is_production(), production, "{stage}");
        }
    }
}
