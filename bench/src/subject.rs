//! What is put side by side: the floor, the functions, and what else one would write.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result};
use ringback_tests::phones::Phones;
use serde::Serialize;

use crate::aws::Aws;
use crate::cases::{CALLS, Callback, Cases};
use crate::process::Cores;
use crate::ringing;
use crate::views::{FIGURES, VIEWS};

/// The functions that are started, each with the callback of its first call that it is measured by.
const MEASURED_BY: [(&str, usize); 5] = [
    ("notify", 0),
    ("call-event", 0),
    ("group-call-event", 1),
    ("agent-call-status", 0),
    ("tencent-call-event", 0),
];
/// Of how many devices the callees are whose phones ring.
pub const DEVICES: [usize; 2] = [1, 8];
/// What the stock build, Node and Python do too.
pub const COMPARED: &str = "call-event";

/// What a subject is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The least that a function can be.
    Floor,
    Function,
    /// `notify` with keys, for a callee with devices.
    Ringing,
    /// Another build of a function.
    Also,
    /// `call-event` with the AWS SDK as it comes.
    Stock,
    Node,
    Python,
}

/// A program and what it needs to run as a function.
#[derive(Clone, Debug)]
pub struct Subject {
    pub name: String,
    pub kind: Kind,
    /// The function that it is or does the work of.
    pub function: String,
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    pub folder: Option<PathBuf>,
    /// All of it: nothing of the reader's shell may make it work or slow it down.
    pub environment: BTreeMap<&'static str, OsString>,
    /// What is uploaded to Lambda.
    pub deployed: PathBuf,
}

impl Subject {
    /// The callback that it is measured by.
    pub fn callback(&self, cases: &Cases) -> Result<Callback> {
        let position = MEASURED_BY.iter().find(|(function, _)| *function == self.function);
        let call = CALLS.iter().find(|call| call.function == self.function);
        let (call, (_, position)) = call.zip(position).with_context(|| self.function.clone())?;
        let callback = cases.call(call.function, call.name)?.into_iter().nth(*position);
        callback.with_context(|| format!("{} has too few callbacks", call.name))
    }

    /// Requests to AWS that a callback costs, and how many of them publish a message.
    pub fn requests(&self) -> (f64, f64) {
        match (self.kind, self.function.as_str()) {
            (Kind::Floor, _) => (0.0, 0.0),
            // The devices, the guard before and after the pushes, and the push job.
            (Kind::Ringing, _) => (4.0, 1.0),
            (_, "notify") => (1.0, 1.0),
            _ => (2.0, 0.0),
        }
    }
}

/// Where everything is.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The repository.
    pub root: PathBuf,
    /// Where `<function>/bootstrap` are.
    pub bootstraps: PathBuf,
    pub cores: Cores,
    /// A trial run: every part of the page, of a few minutes.
    pub is_short: bool,
}

impl Bench {
    pub fn cases(&self) -> Cases {
        Cases::of(&self.root)
    }

    /// Where a run may write.
    pub fn scratch(&self) -> PathBuf {
        self.root.join("target/bench")
    }

    /// One of the functions.
    pub fn function(&self, function: &str, aws: &Aws) -> Result<Subject> {
        self.subject(Kind::Function, function, function, self.bootstrap(function), aws)
    }

    /// One of the functions that fill and read the tables of the reading side.
    pub fn reading(&self, function: &str, aws: &Aws) -> Result<Subject> {
        let mut subject = self.function(function, aws)?;
        let variables = [
            ("VIEWS_TABLE", VIEWS),
            ("FIGURES_TABLE", FIGURES),
            ("CALLS_TOPIC_ARN", "arn:aws:sns:us-east-1:000000000000:calls"),
        ];
        subject.environment.extend(variables.map(|(name, value)| (name, value.into())));
        Ok(subject)
    }

    fn bootstrap(&self, function: &str) -> PathBuf {
        self.bootstraps.join(function).join("bootstrap")
    }

    /// All that is put side by side, or the floor and what is named.
    pub fn subjects(
        &self,
        aws: &Aws,
        phones: &Phones,
        only: &[String],
        also: &[Also],
    ) -> Result<Vec<Subject>> {
        let stock = self.root.join("target/bench-stock/release/stock");
        let mut subjects =
            vec![self.subject(Kind::Floor, "floor", COMPARED, self.bootstrap("floor"), aws)?];
        for (function, _) in MEASURED_BY {
            subjects.push(self.function(function, aws)?);
        }
        for devices in DEVICES {
            subjects.push(self.ringing(aws, phones, devices)?);
        }
        subjects.push(self.subject(Kind::Stock, "stock", COMPARED, stock, aws)?);
        subjects.push(self.node(aws)?);
        subjects.push(self.python(aws)?);
        subjects.retain(|it| it.kind == Kind::Floor || only.is_empty() || only.contains(&it.name));
        for Also { name, bootstrap, function } in also {
            subjects.push(self.subject(Kind::Also, name, function, self.root.join(bootstrap), aws)?);
        }
        Ok(subjects)
    }

    /// `notify` that rings so many devices at the stand-ins. It reads as many authorities as it carries.
    fn ringing(&self, aws: &Aws, phones: &Phones, devices: usize) -> Result<Subject> {
        aws.table().keys = [phones.apns_key(), phones.fcm_key()];
        let roots = ["apple-push.pem", "google.pem"].map(|name| self.root.join("shared/roots").join(name));
        let [apple, google] =
            roots.map(|path| fs::read_to_string(&path).with_context(|| path.display().to_string()));
        let trusted = self.scratch().join("trust").join(aws.port().to_string()).join("phones.pem");
        fs::write(&trusted, [apple?, google?, phones.ca().to_owned()].join("\n"))?;
        let name = format!("notify, rings {devices}");
        let mut subject = self.subject(Kind::Ringing, &name, "notify", self.bootstrap("notify"), aws)?;
        let [apns, fcm] = ringing::KEYS;
        let variables = [
            ("DEVICES_TABLE", format!("{}{devices}", ringing::TABLE).into()),
            ("APNS_KEY_PARAMETER", apns.into()),
            ("FCM_KEY_PARAMETER", fcm.into()),
            ("APNS_ENDPOINT_URL", phones.url().into()),
            ("FCM_ENDPOINT_URL", phones.url().into()),
            ("PUSH_CA_BUNDLE", trusted.into()),
        ];
        subject.environment.extend(variables);
        Ok(subject)
    }

    fn node(&self, aws: &Aws) -> Result<Subject> {
        let folder = self.root.join(".local/bench/node");
        let root = folder.join("deployed");
        let mut node = Subject {
            arguments: vec![folder.join("client.mjs").into()],
            deployed: root.join("function.mjs"),
            ..self.subject(Kind::Node, "node", COMPARED, folder.join("node"), aws)?
        };
        let variables = [("LAMBDA_TASK_ROOT", root.into()), ("_HANDLER", "function.handler".into())];
        node.environment.extend(variables);
        Ok(node)
    }

    fn python(&self, aws: &Aws) -> Result<Subject> {
        let folder = self.root.join("bench/peers/python");
        let installed = self.root.join(".local/bench/python");
        let mut versions = fs::read_dir(installed.join("lib")).into_iter().flatten().flatten();
        let bundle = versions.next().map(|version| version.path().join("site-packages/botocore/cacert.pem"));
        let bundle = bundle.and_then(|bundle| fs::read_to_string(bundle).ok()).unwrap_or_default();
        let mut python = Subject {
            arguments: ["-m", "awslambdaric", "function.handler"].map(Into::into).into(),
            // boto3 is Lambda's own.
            deployed: folder.join("function.py"),
            folder: Some(folder),
            ..self.subject(Kind::Python, "python", COMPARED, installed.join("bin/python"), aws)?
        };
        python.environment.insert("AWS_CA_BUNDLE", self.trusted(aws, "boto", &bundle)?);
        Ok(python)
    }

    /// A file of authorities, with the stub's.
    fn trusted(&self, aws: &Aws, name: &str, others: &str) -> Result<OsString> {
        let folder = self.scratch().join("trust").join(aws.port().to_string());
        fs::create_dir_all(&folder)?;
        let path = folder.join(name).with_extension("pem");
        fs::write(&path, format!("{others}\n{}", aws.authority_pem))?;
        Ok(path.into())
    }

    /// A program with the environment that Lambda and template.yaml give a function; the settings fit the
    /// cases. It trusts as many authorities as it would read on Lambda, and from where it would: the
    /// functions know `AWS_CA_BUNDLE`, and what reads the system's knows `SSL_CERT_FILE`.
    fn subject(
        &self,
        kind: Kind,
        name: &str,
        function: &str,
        program: PathBuf,
        aws: &Aws,
    ) -> Result<Subject> {
        let carried = fs::read_to_string(self.root.join("shared/roots/amazon.pem"))
            .context("shared/roots/amazon.pem")?;
        let of_system =
            ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
        let of_system = of_system.iter().find_map(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let trusted = [
            ("AWS_CA_BUNDLE", self.trusted(aws, "carried", &carried)?),
            ("SSL_CERT_FILE", self.trusted(aws, "system", &of_system)?),
            ("NODE_EXTRA_CA_CERTS", self.trusted(aws, "stub", "")?),
        ];
        let environment = [
            ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLEEXAMPLE00"),
            ("AWS_SECRET_ACCESS_KEY", "example/example/example/example/example0"),
            // Of about the length of a role's.
            ("AWS_SESSION_TOKEN", &"example/".repeat(100)),
            ("AWS_REGION", "us-east-1"),
            // boto3 reads no other.
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", &aws.url()),
            ("AWS_LAMBDA_FUNCTION_NAME", function),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/ringback"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/22/[$LATEST]00000000000000000000000000000000"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_LAMBDA_LOG_LEVEL", "INFO"),
            ("METRICS_NAMESPACE", "Ringback/ringback"),
            ("CALLBACK_TOKEN_SHA256", "128221626c643cda6c13a4375b74d2a0086abe6df589f4f5fcdb5a036ef9329e"),
            ("LINE_SERVICE_IDS", "linecorp.com,planetkit,planetkit-inhouse"),
            ("TENCENT_SDK_APP_IDS", "8888888,1400000001"),
            ("RECORDS_TABLE", "ringback-records"),
            ("RETENTION_DAYS", "90"),
            ("PUSH_JOBS_TOPIC_ARN", "arn:aws:sns:us-east-1:000000000000:push-jobs"),
            ("SPOOL_TOPIC_ARN", "arn:aws:sns:us-east-1:000000000000:spool"),
            ("DEAD_LETTERS_TOPIC_ARN", "arn:aws:sns:us-east-1:000000000000:dead-letters"),
        ];
        let environment = environment.map(|(name, value)| (name, value.into())).into_iter().chain(trusted);
        Ok(Subject {
            name: name.to_owned(),
            kind,
            function: function.to_owned(),
            deployed: program.clone(),
            program,
            arguments: Vec::new(),
            folder: None,
            environment: environment.collect(),
        })
    }
}

/// Another build of a function, to be measured beside the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Also {
    name: String,
    bootstrap: PathBuf,
    function: String,
}

impl FromStr for Also {
    type Err = String;

    /// Reads `NAME=BOOTSTRAP=FUNCTION`.
    fn from_str(text: &str) -> Result<Self, String> {
        let [name, bootstrap, function] = text.split('=').collect::<Vec<_>>()[..] else {
            return Err(format!("NAME=BOOTSTRAP=FUNCTION, not {text}"));
        };
        Ok(Self { name: name.to_owned(), bootstrap: bootstrap.into(), function: function.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_function_is_measured_by_a_callback_of_a_call() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let cores = Cores::shared().unwrap();
        let bench = Bench { root, bootstraps: PathBuf::new(), cores, is_short: true };
        let aws = Aws::start().unwrap();
        let phones = Phones::start(&bench.scratch().join("phones-of-a-test"), 0, 0).unwrap();
        for subject in bench.subjects(&aws, &phones, &[], &[]).unwrap() {
            subject.callback(&bench.cases()).unwrap();
        }
    }

    #[test]
    fn another_build_has_a_name_a_bootstrap_and_a_function() {
        let also = Also::from_str("fat=a/bootstrap=notify").unwrap();
        assert_eq!((also.name.as_str(), also.function.as_str()), ("fat", "notify"));
        assert!(Also::from_str("fat=a/bootstrap").is_err());
    }
}
