"""Starts everything in order, knows where it is, and takes it all down again."""

import hashlib
import os
import re
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from . import client, show
from .emulator import CREDENTIAL, Emulator
from .functions import Functions, Replay, Trouble, build
from .poller import Poller
from .processes import LOOPBACK, Processes, StackError, shown
from .router import Router
from .template import REGION, Template

# Public, because the sample events carry it. template.yaml refuses it for a deployment.
TOKEN = "local-stack-token-never-deploy-this-one"
# Whose callbacks the sample events are. The caller's environment may say otherwise.
SAMPLES_OWN = {
    "LINE_SERVICE_IDS": "linecorp.com,planetkit,planetkit-inhouse",
    "TENCENT_SDK_APP_IDS": "8888888,1400000001",
}
# The part of the functions' environment that stack.env repeats.
FROM_FUNCTIONS = (
    "RECORDS_TABLE",
    "PUSH_JOBS_TOPIC_ARN",
    "SPOOL_TOPIC_ARN",
    "DEAD_LETTERS_TOPIC_ARN",
    "CALLBACK_TOKEN_SHA256",
    "LINE_SERVICE_IDS",
    "TENCENT_SDK_APP_IDS",
    "RETENTION_DAYS",
)
# A function's words for a callback that is in the table, be it since the last time.
RECORDED = ("recorded", "duplicate")
# The template's queues whose URLs stack.env holds.
QUEUES = {"SPOOL_QUEUE_URL": "SpoolQueue", "DEAD_LETTER_QUEUE_URL": "DeadLetterQueue"}
# A batch of ten records, each with a store that does not answer.
SECONDS_FOR_A_BATCH = 60


class Stack:
    """The running local stack. A `with` statement starts and ends it."""

    def __init__(
        self, root: Path, folder: Path, aws_port: int, port: int, instances: int = 1, polls: bool = True
    ) -> None:
        self.root = root
        self.port = port
        self.callback_url = f"http://{LOOPBACK}:{port}/{TOKEN}"
        self.env_file = folder / "stack.env"
        self._folder = folder
        self._aws_port = aws_port
        self._instances = instances
        self._polls = polls
        self._pollers: list[Poller] = []
        self._processes = Processes()

    def __enter__(self) -> "Stack":
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self.env_file.unlink(missing_ok=True)
        template = Template.read(self.root / "template.yaml", parameters())
        binaries = build(self._processes, self.root, template.binaries())

        self._emulator = Emulator(self._processes, self._aws_port, self._folder)
        self._emulator.create(template)
        self.functions = template.functions()
        self._publishers = [each.name for each in self.functions if "PUSH_JOBS_TOPIC_ARN" in each.environment]
        settings = merged([function.environment for function in self.functions])
        self._table = settings["RECORDS_TABLE"]
        jobs = self._job_queue("push-jobs", settings["PUSH_JOBS_TOPIC_ARN"])
        # A second queue, because jobs are taken out of it to be shown, and those in the first one stay.
        self._jobs_to_show = self._job_queue("push-jobs-to-show", settings["PUSH_JOBS_TOPIC_ARN"])

        aws = aws_environment(self._emulator.endpoint)
        self.environment = environment(self.callback_url, aws, settings, queues(template, jobs))
        router = Router(self._processes, self.port, self.root, self._folder)
        self._running = Functions(self._processes, self.functions, binaries, router, aws, self._folder, self._instances)
        if self._polls:
            self._poll_queues()

    def _poll_queues(self) -> None:
        for function in self.functions:
            for queue in function.queues:
                invoke = partial(client.invoke, self.port, function.name, seconds=SECONDS_FOR_A_BATCH)
                poller = Poller(self._emulator.sqs, self._emulator.queue_url(queue.arn), queue, invoke)
                self._pollers.append(poller)
                poller.start()

    def _stop(self) -> None:
        self.env_file.unlink(missing_ok=True)
        for poller in self._pollers:
            poller.stop()
        self._processes.stop()
        for poller in self._pollers:
            poller.join()

    def _job_queue(self, name: str, topic: str) -> str:
        url, arn = self._emulator.create_queue(name)
        self._emulator.subscribe(topic, {"Protocol": "sqs", "Endpoint": arn, "RawMessageDelivery": "true"})
        return url

    def write_env_file(self) -> None:
        """Says where everything is, in one step, so that nobody reads half of it."""
        new = self.env_file.with_suffix(".new")
        new.write_text(env_file_text(self.environment))
        new.replace(self.env_file)

    def line_of(self, function: str) -> dict[str, Any]:
        """What a function has printed about the request that it has just answered."""
        return self._running.line_of(function)

    def take_jobs(self, function: str, status: int | None) -> list[dict[str, str]]:
        """The push jobs that a function has sent since the last time. One that has answered 200 has sent one."""
        if function not in self._publishers:
            return []
        return self._emulator.take_jobs(self._jobs_to_show, seconds=1 if status == 200 else 0)

    def count_records(self) -> int:
        """How many items the table of records holds."""
        return self._emulator.count(self._table)

    def call(self, sid: str) -> dict[str, Any] | None:
        """The call of a session as it stands now."""
        return self._emulator.call(self._table, sid) if sid else None

    def serve(self) -> None:
        """Prints a line for each callback until it is interrupted."""
        said_by_all = self._running.all_say()
        while True:
            said = said_by_all.get()
            if isinstance(said, Trouble):
                log = self._folder / f"{said.function}.log"
                print(f"{said.function}: {show.clean(said.text)} (see {shown(log)})", flush=True)
            elif isinstance(said, Replay):
                print(show.replay_line(said.fields, self._call_line(said.fields)), flush=True)
            else:
                jobs = self.take_jobs(said.function, said.fields.get("status"))
                became = "; ".join(map(show.job_line, jobs)) or self._call_line(said.fields)
                print(show.callback_line(said.fields, became), flush=True)

    def _call_line(self, fields: dict[str, Any]) -> str:
        """The call that a line is about, when it has become part of it."""
        call = self.call(str(fields.get("sid", ""))) if fields.get("outcome") in RECORDED else None
        return show.call_line(call) if call else ""


def parameters() -> dict[str, str]:
    """The template's parameters on this machine."""
    allowed = {name: os.environ.get(name, own) for name, own in SAMPLES_OWN.items()}
    for name, value in allowed.items():
        if not value:
            raise StackError(f"{name} is empty: name yours, say any, or leave it out for those of the sample events")
        if not re.fullmatch(r"[A-Za-z0-9._,-]+", value):
            raise StackError(f"{name} must be a list separated by commas, without spaces: {value}")
    return {
        "CallbackTokenSha256": hashlib.sha256(TOKEN.encode()).hexdigest(),
        "LineServiceIds": allowed["LINE_SERVICE_IDS"],
        "TencentSdkAppIds": allowed["TENCENT_SDK_APP_IDS"],
        "Stage": "dev",
        # A deployment names each of its releases; here there is only ever one.
        "Release": "local",
    }


def aws_environment(endpoint: str) -> dict[str, str]:
    """AWS's own variables, for the functions and in stack.env."""
    return {
        "AWS_ENDPOINT_URL_DYNAMODB": endpoint,
        "AWS_ENDPOINT_URL_SNS": endpoint,
        "AWS_ENDPOINT_URL_SQS": endpoint,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": CREDENTIAL,
        "AWS_SECRET_ACCESS_KEY": CREDENTIAL,
    }


def merged(environments: list[dict[str, str]]) -> dict[str, str]:
    """The functions' environments as one, in which each name has one value."""
    settings: dict[str, str] = {}
    for environment in environments:
        for name, value in environment.items():
            if settings.setdefault(name, value) != value:
                raise StackError(f"template.yaml gives two functions different values of {name}")
    return settings


def queues(template: Template, jobs: str) -> dict[str, str]:
    """The URLs of the queues that stack.env holds; that of the push jobs is no queue of the template's."""
    return {
        "PUSH_JOBS_QUEUE_URL": jobs,
        **{name: str(template.resolve({"Ref": resource})) for name, resource in QUEUES.items()},
    }


def environment(
    callback_url: str, aws: dict[str, str], settings: dict[str, str], queues: dict[str, str]
) -> dict[str, str]:
    """What stack.env holds."""
    missing = [name for name in FROM_FUNCTIONS if name not in settings]
    if missing:
        raise StackError(f"template.yaml gives no function {', '.join(missing)}, which stack.env promises")
    return {
        "CALLBACK_URL": callback_url,
        **aws,
        **queues,
        **{name: settings[name] for name in FROM_FUNCTIONS},
    }


def env_file_text(variables: dict[str, str]) -> str:
    """KEY=value lines without quotes, which a shell's `source` and the plainest parser read alike."""
    for name, value in variables.items():
        if not re.fullmatch(r"[A-Za-z0-9._,:/@-]*", value):
            raise StackError(f"{name} holds a character that stack.env cannot hold: {value}")
    return "".join(f"{name}={value}\n" for name, value in variables.items())
