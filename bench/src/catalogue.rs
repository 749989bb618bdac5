//! What is put side by side: the functions, the floor under them, and what else one would write.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::aws_stub::AwsStub;
use crate::error::BenchError;
use crate::package::Deployed;
use crate::sample::{Effect, Sample};
use crate::subject::Subject;
use crate::trust::Trust;

/// The callbacks' functions, each with the sample that it is measured by: a call as it usually goes. `make run` plays them as well.
pub const SAMPLES: [(&str, &str, &str); 5] = [
    ("notify", "audio-call", "d53ada04-f7b8-440f-adbd-a2e1db345a30"),
    ("call-event", "answered-call", "d53ada04-f7b8-440f-adbd-a2e1db345a30"),
    ("group-call-event", "standup-2-second-participant-joins", "ecd9663b7d814680a711dff9605f7e17"),
    ("agent-call-status", "agent-call-reaches-callee", "b2c6b76a-8931-47fa-a893-784c2fbc4fa4"),
    ("tencent-call-event", "current-one-to-one-1-starts", "example-current-one-to-one"),
];

/// What the stock build, Node and Python do too.
const COMPARED: &str = "call-event";

/// What a subject is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The least that a Lambda function can be.
    Floor,
    /// One of ours.
    Function,
    /// One of ours by another name, to compare builds.
    Also,
    /// `call-event` with the SDK as it comes.
    Stock,
    /// `call-event` in Node.
    Node,
    /// `call-event` in Python.
    Python,
}

/// A subject, what it is told and what becomes of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it is to the others.
    pub kind: Kind,
    /// Its program.
    pub subject: Subject,
    /// Its events.
    pub sample: Sample,
    /// What each event becomes.
    pub effect: Effect,
    /// What is uploaded to Lambda.
    pub deployed: Deployed,
}

/// Where everything is.
#[derive(Clone, Debug)]
pub struct Places {
    /// The repository.
    pub root: PathBuf,
    /// Where `<function>/bootstrap` are.
    pub bootstraps: PathBuf,
    /// Where the run may write.
    pub scratch: PathBuf,
}

/// A build of a function to be measured beside the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Also {
    /// Its name in the report.
    pub name: String,
    /// The program.
    pub bootstrap: PathBuf,
    /// Which function it is.
    pub function: String,
}

impl Also {
    /// Reads `NAME=BOOTSTRAP=FUNCTION`.
    ///
    /// # Errors
    /// [`BenchError::Usage`].
    pub fn parse(text: &str) -> Result<Self, BenchError> {
        let mut parts = text.split('=').map(str::to_owned);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(bootstrap), Some(function), None) => {
                Ok(Self { name, bootstrap: bootstrap.into(), function })
            }
            _ => Err(BenchError::Usage(format!("--also NAME=BOOTSTRAP=FUNCTION, not {text}"))),
        }
    }
}

impl Places {
    /// A function of ours as a subject, with a stub as its AWS.
    ///
    /// # Errors
    /// [`BenchError`] when the certificates cannot be written.
    pub fn function(&self, function: &str, stub: &AwsStub) -> Result<Subject, BenchError> {
        let trust = Trust::write(&self.root, &self.scratch, stub)?;
        let bootstrap = self.bootstraps.join(function).join("bootstrap");
        Ok(self.native(function, function, bootstrap, stub, &trust))
    }

    /// Everything that is put side by side: all, or what is named, with the floor.
    ///
    /// # Errors
    /// [`BenchError`] when a sample or a program is missing.
    pub fn entries(&self, stub: &AwsStub, only: &[String], also: &[Also]) -> Result<Vec<Entry>, BenchError> {
        let wanted = |name: &str| only.is_empty() || only.iter().any(|wanted| wanted == name);
        let trust = Trust::write(&self.root, &self.scratch, stub)?;
        let mut entries = vec![self.floor(stub, &trust)?];
        for (function, ..) in SAMPLES.into_iter().filter(|(name, ..)| wanted(name)) {
            let bootstrap = self.bootstraps.join(function).join("bootstrap");
            entries.push(self.of_ours(Kind::Function, function, function, bootstrap, stub, &trust)?);
        }
        for also in also {
            let bootstrap = self.root.join(&also.bootstrap);
            entries.push(self.of_ours(Kind::Also, &also.name, &also.function, bootstrap, stub, &trust)?);
        }
        if wanted("stock") {
            let stock = self.root.join("target/bench-stock/release/stock");
            entries.push(self.of_ours(Kind::Stock, "stock", COMPARED, stock, stub, &trust)?);
        }
        if wanted("node") {
            entries.push(self.node(stub, &trust)?);
        }
        if wanted("python") {
            entries.push(self.python(stub, &trust)?);
        }
        Ok(entries)
    }

    fn sample(&self, function: &str) -> Result<Sample, BenchError> {
        let (_, case, sid) = SAMPLES
            .into_iter()
            .find(|(name, ..)| *name == function)
            .ok_or_else(|| BenchError::Usage(format!("there is no function {function}")))?;
        Sample::read(&self.root.join("target/cases"), function, case, sid)
    }

    fn floor(&self, stub: &AwsStub, trust: &Trust) -> Result<Entry, BenchError> {
        let bootstrap = self.bootstraps.join("floor/bootstrap");
        let subject = self.native("floor", "floor", bootstrap, stub, trust);
        let deployed = Deployed::Program(subject.program.clone());
        Ok(Entry { kind: Kind::Floor, subject, sample: self.sample(COMPARED)?, effect: Effect::Nothing, deployed })
    }

    fn of_ours(
        &self,
        kind: Kind,
        name: &str,
        function: &str,
        bootstrap: PathBuf,
        stub: &AwsStub,
        trust: &Trust,
    ) -> Result<Entry, BenchError> {
        let deployed = Deployed::Program(bootstrap.clone());
        let sample = self.sample(function)?;
        let subject = self.native(name, function, bootstrap, stub, trust);
        Ok(Entry { kind, subject, effect: sample.effect(), sample, deployed })
    }

    fn node(&self, stub: &AwsStub, trust: &Trust) -> Result<Entry, BenchError> {
        let folder = self.root.join(".local/bench/node");
        let deployed = folder.join("deployed");
        let mut subject = self.subject("node", COMPARED, folder.join("node"), stub);
        subject.arguments = vec![folder.join("client.mjs").into()];
        let settings = [
            ("LAMBDA_TASK_ROOT", deployed.clone().into()),
            ("_HANDLER", "function.handler".into()),
            ("NODE_EXTRA_CA_CERTS", trust.stub.clone().into()),
        ];
        subject.environment.extend(settings.map(|(name, value)| (name.to_owned(), value)));
        self.peer(Kind::Node, subject, Deployed::Files(vec![deployed.join("function.mjs")]))
    }

    fn python(&self, stub: &AwsStub, trust: &Trust) -> Result<Entry, BenchError> {
        let folder = self.root.join("bench/peers/python");
        let environment = self.root.join(".local/bench/python");
        let mut subject = self.subject("python", COMPARED, environment.join("bin/python"), stub);
        subject.arguments = ["-m", "awslambdaric", "function.handler"].map(Into::into).into();
        subject.folder = Some(folder.clone());
        let bundle = trust.beside(&packages_of(&environment)?.join("botocore/cacert.pem"))?;
        subject.environment.insert("AWS_CA_BUNDLE".to_owned(), bundle.into());
        // boto3 is Lambda's own.
        self.peer(Kind::Python, subject, Deployed::Files(vec![folder.join("function.py")]))
    }

    fn peer(&self, kind: Kind, subject: Subject, deployed: Deployed) -> Result<Entry, BenchError> {
        let sample = self.sample(COMPARED)?;
        Ok(Entry { kind, subject, effect: sample.effect(), sample, deployed })
    }

    /// A compiled program. It trusts what it would trust on Lambda, read from where it would: the functions know `AWS_CA_BUNDLE`, and what reads the system's
    /// authorities knows `SSL_CERT_FILE`.
    fn native(&self, name: &str, function: &str, program: PathBuf, stub: &AwsStub, trust: &Trust) -> Subject {
        let mut subject = self.subject(name, function, program, stub);
        subject.environment.insert("AWS_CA_BUNDLE".to_owned(), trust.carried.clone().into());
        subject.environment.insert("SSL_CERT_FILE".to_owned(), trust.system.clone().into());
        subject
    }

    /// A program with the environment that Lambda and template.yaml give a function; the settings are those that the sample events fit.
    fn subject(&self, name: &str, function: &str, program: PathBuf, stub: &AwsStub) -> Subject {
        let environment = [
            ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLEEXAMPLE00"),
            ("AWS_SECRET_ACCESS_KEY", "example/example/example/example/example0"),
            // Lambda's credentials are a role's, whose requests carry a token, of about this length.
            ("AWS_SESSION_TOKEN", &"example/".repeat(100)),
            ("AWS_REGION", "us-east-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", &stub.url()),
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
        Subject {
            name: name.to_owned(),
            program,
            arguments: Vec::new(),
            folder: None,
            environment: environment.map(|(name, value)| (name.to_owned(), value.into())).into(),
            log: self.scratch.join(format!("{name}.log")),
        }
    }
}

/// Where a virtual environment of Python keeps its packages.
fn packages_of(environment: &Path) -> Result<PathBuf, BenchError> {
    let library = environment.join("lib");
    let mut versions = fs::read_dir(&library).map_err(BenchError::io(library.display().to_string()))?;
    let packages =
        versions.find_map(|version| Some(version.ok()?.path().join("site-packages")).filter(|path| path.is_dir()));
    packages.ok_or(BenchError::Unreadable { path: library, what: "it holds no packages of Python".to_owned() })
}
