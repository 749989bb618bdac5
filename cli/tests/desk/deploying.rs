//! The built program's `deploy` and `destroy`, with an AWS that answers over HTTP and a SAM CLI that only
//! writes down how it was called.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::server::{Request, serve};
use serde_json::{Value, json};
use tempfile::TempDir;

const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
/// Writes down its arguments, what it may know of the parameters, and the mode of their file. It fails where
/// a file says so.
const SAM: &str = r#"#!/bin/sh
echo "$*" >> "$FAKE/commands"
previous=
for word in "$@"; do
  if [ "$previous" = --parameter-overrides ]; then
    cp "${word#file://}" "$FAKE/parameters"
    stat -c %a "${word#file://}" > "$FAKE/mode"
  fi
  previous=$word
done
[ ! -e "$FAKE/fails-$1" ] || exit 1
[ "$1" != deploy ] || [ -e "$FAKE/declined" ] || cp "$FAKE/parameters" "$FAKE/deployed"
"#;

/// One stack at most, called `mine`.
#[derive(Clone, Debug)]
struct Account {
    status: &'static str,
    parameters: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
    /// Messages in its queue, and a refusal of everything.
    messages: u32,
    refuses: bool,
    /// Variables and code of the function as the alias has it, where they differ from what was deployed.
    left_behind: bool,
}

impl Account {
    fn of(stage: &str) -> Self {
        let outputs = [
            ("RecordsTableName", "mine-records"),
            ("DevicesTableName", "mine-devices"),
            ("ViewsTableName", "mine-views"),
            ("FiguresTableName", "mine-figures"),
            ("PushJobsTopicArn", "arn:aws:sns:eu-west-1:123456789012:jobs"),
            ("SpoolQueueArn", "arn:aws:sqs:eu-west-1:123456789012:spool"),
            ("DeadLetterQueueArn", "arn:aws:sqs:eu-west-1:123456789012:dead"),
        ];
        Self {
            status: "UPDATE_COMPLETE",
            parameters: pairs(&[("Stage", stage)]),
            outputs: pairs(&outputs),
            messages: 0,
            refuses: false,
            left_behind: false,
        }
    }
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A project in a temporary folder, and the AWS that its stack is on.
struct Project {
    folder: TempDir,
    account: Arc<Mutex<Option<Account>>>,
    endpoint: String,
}

struct Ran {
    ok: bool,
    out: String,
    err: String,
}

impl Project {
    fn new(account: Option<Account>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("project");
        std::fs::create_dir_all(folder.path().join("bin")).unwrap();
        std::fs::create_dir_all(&root).unwrap();
        std::fs::write(root.join("template.yaml"), include_str!("../../../template.yaml")).unwrap();
        let samconfig: String = ["dev", "prod"].iter().fold(String::new(), |mut text, stage| {
            writeln!(
                text,
                "[{stage}.deploy.parameters]\nstack_name = \"mine\"\n\
                 parameter_overrides = [\"Stage={stage}\", \"RetentionDays=7\"]"
            )
            .unwrap();
            text
        });
        std::fs::write(root.join("samconfig.toml"), samconfig).unwrap();
        let sam = folder.path().join("bin/sam");
        std::fs::write(&sam, SAM).unwrap();
        std::fs::set_permissions(&sam, std::fs::Permissions::from_mode(0o755)).unwrap();

        let account = Arc::new(Mutex::new(account));
        let (shared, fake) = (Arc::clone(&account), folder.path().to_owned());
        let endpoint = serve(move |request| respond(request, &shared, &fake));
        let project = Self { folder, account, endpoint };
        project.git(&["init", "--quiet"]);
        project.commit();
        project
    }

    fn change(&self, change: impl Fn(&mut Account)) {
        change(self.account.lock().unwrap().as_mut().unwrap());
    }

    fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("project")
    }

    /// Runs Git without the user's settings.
    fn git(&self, arguments: &[&str]) {
        let who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"];
        let done = Command::new("git").args(who).args(arguments).current_dir(self.root()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "all"]);
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let bin = self.folder.path().join("bin");
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let done = Command::new(env!("CARGO_BIN_EXE_ringback"))
            .args(arguments)
            .current_dir(self.root())
            .stdin(std::process::Stdio::null())
            .env("PATH", path)
            .env("FAKE", self.folder.path())
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "key")
            .env("AWS_CONFIG_FILE", "/nowhere")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { ok: done.status.success(), out: text(done.stdout), err: text(done.stderr) }
    }

    /// It must say why in one line, repeat no secret, and have run nothing.
    fn refuses(&self, said: &str, arguments: &[&str], variables: &[(&str, &str)]) {
        let ran = self.run(arguments, variables);
        assert!(!ran.ok && ran.err.contains(said), "{said}: {} {}", ran.out, ran.err);
        assert_eq!(ran.err.trim().lines().count(), 1, "{}", ran.err);
        for (_, secret) in variables.iter().filter(|(name, _)| *name == "TOKEN_SHA256") {
            assert!(!ran.err.contains(secret) && !ran.out.contains(secret), "{}", ran.err);
        }
        assert_eq!(self.commands(), [""; 0]);
    }

    fn written(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// How SAM was called.
    fn commands(&self) -> Vec<String> {
        self.written("commands").lines().map(str::to_owned).collect()
    }

    fn forget_commands(&self) {
        let _ = std::fs::remove_file(self.folder.path().join("commands"));
    }

    fn parameters(&self) -> BTreeMap<String, String> {
        serde_json::from_str(&self.written("parameters")).unwrap()
    }

    fn touch(&self, name: &str) {
        std::fs::write(self.folder.path().join(name), "").unwrap();
    }
}

/// Answers as CloudFormation, Lambda or SQS.
fn respond(request: &Request, account: &Mutex<Option<Account>>, fake: &Path) -> (u16, String) {
    let (first, body) = (&request.line, request.body.as_str());
    let mut account = account.lock().unwrap();
    // What SAM has deployed is there.
    let deployed = std::fs::read_to_string(fake.join("deployed")).ok();
    let deployed: Option<BTreeMap<String, String>> =
        deployed.map(|text| serde_json::from_str(&text).unwrap());
    if let Some(parameters) = &deployed {
        account.get_or_insert_with(|| Account::of("dev")).parameters.extend(parameters.clone());
    }
    let failure = |code: &str, said: &str| {
        format!("<ErrorResponse><Error><Code>{code}</Code><Message>{said}</Message></Error></ErrorResponse>")
    };
    let Some(account) = account.as_ref().filter(|_| !body.contains("StackName=theirs")) else {
        return (400, failure("ValidationError", "Stack with id theirs does not exist"));
    };
    if account.refuses {
        return (403, failure("AccessDenied", "not you"));
    }
    if first.starts_with("GET") {
        let live = first.contains("Qualifier=live");
        let old = live && account.left_behind;
        let variables = json!({ "CALLBACK_TOKEN_SHA256": if old { "older" } else { "newest" }, "SAME": "x" });
        let release = deployed.filter(|_| live && !old).and_then(|mut all| all.remove("Release"));
        let configuration = json!({
            "Environment": { "Variables": variables }, "CodeSha256": if old { "b" } else { "a" },
            "Description": release.unwrap_or("r0".to_owned()), "State": "Active",
        });
        return (200, configuration.to_string());
    }
    if body.starts_with('{') {
        let names = serde_json::from_str::<Value>(body).unwrap()["AttributeNames"].clone();
        // One that is being worked on is a message, too.
        let count =
            |name: &Value| if name == "ApproximateNumberOfMessagesNotVisible" { account.messages } else { 0 };
        let counts: serde_json::Map<String, Value> = names
            .as_array()
            .unwrap()
            .iter()
            .map(|name| (name.as_str().unwrap().to_owned(), json!(count(name).to_string())))
            .collect();
        return (200, json!({ "Attributes": counts }).to_string());
    }
    if body.contains("Action=ListStackResources") {
        let resource = |kind: &str, logical: &str, physical: &str| {
            format!(
                "<member><ResourceType>{kind}</ResourceType><LogicalResourceId>{logical}</LogicalResourceId>\
                 <PhysicalResourceId>{physical}</PhysicalResourceId></member>"
            )
        };
        let members = [
            resource("AWS::Lambda::Function", "NotifyFunction", "mine-notify"),
            resource("AWS::SQS::Queue", "SpoolQueue", "https://sqs.example/spool"),
        ];
        let listed = format!("<StackResourceSummaries>{}</StackResourceSummaries>", members.concat());
        return (200, result("ListStackResources", &listed));
    }
    let members = |pairs: &BTreeMap<String, String>, kind: &str| {
        pairs.iter().fold(String::new(), |text, (name, value)| {
            let value = format!("<{kind}Value>{value}</{kind}Value>");
            format!("{text}<member><{kind}Key>{name}</{kind}Key>{value}</member>")
        })
    };
    let stack = format!(
        "<Stacks><member><StackName>mine</StackName><StackStatus>{}</StackStatus>\
         <CreationTime>2026-11-01T00:00:00Z</CreationTime>\
         <StackId>arn:aws:cloudformation:eu-west-1:123456789012:stack/mine/1</StackId>\
         <Parameters>{}</Parameters><Outputs>{}</Outputs></member></Stacks>",
        account.status,
        members(&account.parameters, "Parameter"),
        members(&account.outputs, "Output"),
    );
    (200, result("DescribeStacks", &stack))
}

fn result(action: &str, text: &str) -> String {
    format!("<{action}Response><{action}Result>{text}</{action}Result></{action}Response>")
}

#[test]
fn bad_values_and_another_stage_stop_a_deployment_before_a_build() {
    let project = Project::new(Some(Account::of("dev")));
    let parameters = |list: &'static str| [("PARAMETERS", list)];
    project.refuses("64 lower-case hex digits", &["deploy", "dev"], &[("TOKEN_SHA256", "my-secret-token")]);
    for (said, list) in [
        ("LineServiceIds=a b must be service ids", "LineServiceIds='a b'"),
        ("Architecture=mips is not one of arm64, x86_64", "Architecture=mips"),
        ("no parameter Retention", "Retention=3"),
        ("without Stage and Release", "Release=mine"),
        ("without Stage and Release", "alone"),
    ] {
        project.refuses(said, &["deploy", "dev"], &parameters(list));
    }
    project.refuses("mine is a dev stack, not prod", &["deploy", "prod"], &[]);
    for stage in ["", "production"] {
        let ran = project.run(&["deploy", stage], &[]);
        assert!(!ran.ok && ran.err.contains("dev, prod"), "{}", ran.err);
    }
}

#[test]
fn a_stack_of_others_or_without_a_stage_is_left_alone() {
    let project = Project::new(Some(Account::of("dev")));
    project.change(|account| account.parameters.clear());
    project.refuses("mine is a prod stack, not dev", &["deploy", "dev"], &[]);
    project.change(|account| drop(account.outputs.remove("SpoolQueueArn")));
    project.refuses("mine is not a Ringback stack: it has no output SpoolQueueArn", &["deploy", "dev"], &[]);
}

#[test]
fn what_aws_refuses_is_said_in_a_line() {
    let project = Project::new(Some(Account::of("dev")));
    project.refuses("no AWS region", &["deploy", "dev"], &[("AWS_REGION", "")]);
    let none = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    project.refuses("credentials", &["deploy", "dev"], &none);
    project.change(|account| account.refuses = true);
    project.refuses("cannot find the stack mine in eu-west-1: not you", &["deploy", "dev"], &[]);
}

#[test]
fn production_gets_what_is_committed_and_each_release_is_named_after_its_commit() {
    let project = Project::new(Some(Account::of("prod")));
    std::fs::write(project.root().join("new"), "x").unwrap();
    project.refuses("gets what is committed", &["deploy", "prod"], &[]);
    let release = |stage| {
        let ran = project.run(&["deploy", stage], &[]);
        assert!(ran.ok, "{} {}", ran.out, ran.err);
        project.parameters()["Release"].clone()
    };
    project.commit();
    let clean = release("prod");
    let (time, commit) = clean.split_once('-').unwrap();
    assert!(time.len() == 16 && time.ends_with('Z') && commit.len() >= 7, "{clean}");

    project.change(|account| account.parameters = pairs(&[("Stage", "dev")]));
    std::fs::remove_file(project.folder.path().join("deployed")).unwrap();
    std::fs::write(project.root().join("newer"), "x").unwrap();
    assert!(release("dev").ends_with("-dirty"));
    std::fs::remove_dir_all(project.root().join(".git")).unwrap();
    assert!(!release("dev").contains('-'));
    project.change(|account| account.parameters = pairs(&[("Stage", "prod")]));
    project.forget_commands();
    project.refuses("not in Git", &["deploy", "prod"], &[]);
}

#[test]
fn sam_builds_and_deploys_the_files_parameters_and_those_given() {
    let project = Project::new(None);
    let given = [
        ("TOKEN_SHA256", DIGEST),
        ("TENCENT_CALLBACK_TOKEN", "hush"),
        ("LINE_SERVICE_IDS", ""),
        ("PARAMETERS", "RetentionDays=9 AlarmEmail='a@b'"),
    ];
    let ran = project.run(&["deploy", "dev"], &given);
    assert!(ran.ok, "{} {}", ran.out, ran.err);
    let mut parameters = project.parameters();
    let release = parameters.remove("Release").unwrap();
    let expected = pairs(&[
        ("RetentionDays", "9"),
        ("Stage", "dev"),
        ("AlarmEmail", "a@b"),
        ("CallbackTokenSha256", DIGEST),
        ("TencentCallbackToken", "hush"),
    ]);
    assert_eq!(parameters, expected);
    assert_eq!(project.written("mode").trim(), "600");
    assert!(ran.out.contains(&format!("1 functions answer as release {release}")), "{}", ran.out);
    let commands = project.commands();
    assert!(commands[0].starts_with("build --config-env dev "), "{commands:?}");
    assert!(commands[1].starts_with("deploy --stack-name mine --config-env dev "), "{commands:?}");
    assert!(commands.iter().all(|command| command.ends_with("--region eu-west-1")), "{commands:?}");
    // Neither printed nor on a command line, and the file is gone.
    for secret in [DIGEST, "hush"] {
        assert!(!format!("{}{}{commands:?}", ran.out, ran.err).contains(secret));
    }
    let file = commands[0].split("file://").nth(1).unwrap().split(' ').next().unwrap();
    assert!(!Path::new(file).exists());
}

#[test]
fn what_is_not_given_stays_and_the_architecture_is_the_stacks() {
    let project = Project::new(Some(Account::of("dev")));
    project.change(|account| {
        account.parameters.insert("Architecture".into(), "x86_64".into());
        account.parameters.insert("CallbackTokenSha256".into(), "****".into());
    });
    assert!(project.run(&["deploy", "dev"], &[]).ok);
    assert_eq!(project.parameters()["Architecture"], "x86_64");
    assert!(!project.parameters().contains_key("CallbackTokenSha256"));
}

#[test]
fn a_stack_in_review_is_no_stack_yet() {
    let project = Project::new(Some(Account::of("dev")));
    let whole = Account::of("dev");
    project.change(|account| {
        (account.status, account.outputs) = ("REVIEW_IN_PROGRESS", BTreeMap::new());
    });
    let ran = project.run(&["deploy", "dev"], &[]);
    // The outputs are still missing afterwards, so only the build shows that it went on.
    assert!(!ran.ok && project.commands().len() == 2, "{}", ran.err);
    project.change(|account| account.outputs = whole.outputs.clone());
    assert!(project.run(&["deploy", "dev"], &[]).ok);
}

#[test]
fn sam_asks_unless_the_stack_was_named() {
    let project = Project::new(Some(Account::of("dev")));
    for (given, asks) in [(&["--yes", "mine"][..], false), (&["--yes", "theirs"], true), (&[], true)] {
        assert!(project.run(&[&["deploy", "dev"], given].concat(), &[]).ok);
        let last = project.commands().pop().unwrap();
        assert_eq!(!last.contains("--no-confirm-changeset"), asks, "{last}");
    }
}

#[test]
fn a_failure_of_sam_ends_it() {
    for (fails, ran) in [("build", 1), ("deploy", 2)] {
        let project = Project::new(Some(Account::of("dev")));
        project.touch(&format!("fails-{fails}"));
        let failed = project.run(&["deploy", "dev"], &[]);
        assert!(!failed.ok && failed.err.contains(&format!("`sam {fails}` failed")), "{}", failed.err);
        assert_eq!(project.commands().len(), ran);
    }
}

#[test]
fn an_alias_that_was_left_behind_fails_it_and_values_are_not_shown() {
    let project = Project::new(Some(Account::of("dev")));
    project.change(|account| account.left_behind = true);
    let ran = project.run(&["deploy", "dev"], &[]);
    assert!(!ran.ok && ran.out.contains("NOT LIVE: callbacks are not answered by release "), "{}", ran.out);
    let line = "  Notify differs in CALLBACK_TOKEN_SHA256, code, release (r0)";
    assert!(ran.out.lines().any(|each| each == line), "{}", ran.out);
    assert!(!ran.out.contains("older") && !ran.out.contains("newest"), "{}", ran.out);
}

#[test]
fn a_change_set_that_was_declined_is_no_success() {
    let project = Project::new(Some(Account::of("dev")));
    project.touch("declined");
    let ran = project.run(&["deploy", "dev"], &[]);
    assert!(!ran.ok && ran.out.contains("NOT LIVE"), "{} {}", ran.out, ran.err);
}

#[test]
fn what_stops_a_stack_from_being_destroyed() {
    let project = Project::new(Some(Account::of("dev")));
    let destroy = |more: &[&'static str]| [&["destroy"], more].concat();
    project.refuses("Give --stack NAME", &destroy(&["--yes", "mine"]), &[]);
    let theirs = ["--stack", "theirs", "--yes", "theirs"];
    project.refuses("no stack theirs in eu-west-1", &destroy(&theirs), &[]);
    project.refuses("add --yes 'mine'", &destroy(&["--stack", "mine"]), &[]);
    project.refuses("theirs is not mine", &destroy(&["--stack", "mine", "--yes", "theirs"]), &[]);
    let mine = ["--stack", "mine", "--yes", "mine"];
    project.change(|account| account.messages = 7);
    project.refuses("messages would be lost: 7 in SpoolQueue", &destroy(&mine), &[]);
    let anyway = [&mine[..], &["--lose-messages"]].concat();
    for stage in ["prod", ""] {
        project.change(|account| account.parameters = pairs(&[("Stage", stage)]));
        project.refuses("add --production", &destroy(&anyway), &[]);
    }
    project.change(|account| account.outputs.clear());
    project.refuses("it has no output RecordsTableName", &destroy(&anyway), &[]);
}

#[test]
fn sam_deletes_a_stack_and_the_tables_that_stay_are_named() {
    let project = Project::new(Some(Account::of("prod")));
    project.change(|account| account.messages = 7);
    let sure = ["destroy", "--stack", "mine", "--yes", "mine", "--production", "--lose-messages"];
    let ran = project.run(&sure, &[]);
    assert!(ran.ok, "{} {}", ran.out, ran.err);
    assert!(
        ran.out.contains("mine: a prod stack (UPDATE_COMPLETE) in eu-west-1, account 123456789012."),
        "{}",
        ran.out
    );
    assert!(!ran.out.contains("mine-views"), "{}", ran.out);
    for table in ["mine-records", "mine-devices", "mine-figures"] {
        let line = format!("aws dynamodb delete-table --table-name {table}");
        assert!(ran.out.contains(&line), "{}", ran.out);
    }
    assert_eq!(project.commands(), ["delete --no-prompts --stack-name mine --region eu-west-1"]);
    project.touch("fails-delete");
    let failed = project.run(&sure, &[]);
    assert!(!failed.ok && failed.err.contains("`sam delete` failed"), "{}", failed.err);
}
