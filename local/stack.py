"""Starts everything in order, knows the addresses, and stops everything again."""

import hashlib
import os
import re
from pathlib import Path
from types import TracebackType
from typing import Any

from .emulator import STORES, Emulator
from .functions import Functions, build
from .processes import LOOPBACK, Processes, StackError
from .router import Router, invocation
from .template import Template

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
# The template's queues whose URLs stack.env holds.
QUEUES = {"SPOOL_QUEUE_URL": "SpoolQueue", "DEAD_LETTER_QUEUE_URL": "DeadLetterQueue"}


class Stack:
    """The running local stack. A `with` statement starts and ends it."""

    def __init__(
        self, root: Path, folder: Path, aws_port: int, port: int, instances: int = 1, polls: bool = True
    ) -> None:
        self.root = root
        self.port = port
        self.callback_url = f"http://{LOOPBACK}:{port}/{TOKEN}"
        self.env_file = folder / "stack.env"
        self.store = os.environ.get("STORE") or STORES[0]
        self._folder = folder
        self._aws_port = aws_port
        self._instances = instances
        self._polls = polls
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
        if self.store not in STORES:
            raise StackError(f"STORE={self.store} is neither {' nor '.join(STORES)}")
        self._folder.mkdir(parents=True, exist_ok=True)
        self.env_file.unlink(missing_ok=True)
        template = Template.read(self.root / "template.yaml", parameters())
        binaries = build(self._processes, self.root, template.binaries())

        self.emulator = Emulator(self._processes, self._aws_port, self._folder, self.store)
        self.emulator.create(template)
        self.functions = template.functions()
        self._publishers = [each.name for each in self.functions if "PUSH_JOBS_TOPIC_ARN" in each.environment]
        settings = merged([function.environment for function in self.functions])
        self._table = settings["RECORDS_TABLE"]
        jobs = self._job_queue("push-jobs", settings["PUSH_JOBS_TOPIC_ARN"])
        # A second queue, because jobs are taken out of it to be shown, and those in the first one stay.
        self._jobs_to_show = self._job_queue("push-jobs-to-show", settings["PUSH_JOBS_TOPIC_ARN"])

        queues = {name: str(template.resolve({"Ref": resource})) for name, resource in QUEUES.items()}
        aws = self.emulator.environment
        self.environment = environment(
            self.callback_url, {**aws, "PUSH_JOBS_QUEUE_URL": jobs, **queues}, settings
        )
        self.router = Router(self._processes, self.port, self.root, self._folder)
        self.running = Functions(
            self._processes, self.functions, binaries, self.router, aws, self._folder, self._instances
        )
        if self._polls:
            for function in self.functions:
                if function.queues:
                    self.emulator.feed(function, f"http://{LOOPBACK}:{self.port}{invocation(function.name)}")

    def _stop(self) -> None:
        self.env_file.unlink(missing_ok=True)
        self._processes.stop()

    def _job_queue(self, name: str, topic: str) -> str:
        url, arn = self.emulator.create_queue(name, {})
        subscription = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": arn, "RawMessageDelivery": "true"}
        self.emulator.subscribe(subscription)
        return url

    def write_env_file(self) -> None:
        """Writes where everything is, in one step: a reader never sees half of the file."""
        new = self.env_file.with_suffix(".new")
        new.write_text(env_file_text(self.environment))
        new.replace(self.env_file)

    def take_jobs(self, function: str, status: int | None) -> list[dict[str, str]]:
        """The push jobs that a function has sent since the last time. A 200 means that it has sent one."""
        if function not in self._publishers:
            return []
        return self.emulator.take_jobs(self._jobs_to_show, seconds=1 if status == 200 else 0)

    def count_records(self) -> int:
        """How many items the table of records holds."""
        return self.emulator.count(self._table)

    def call(self, sid: str) -> dict[str, Any] | None:
        """The call of a session as it is now."""
        return self.emulator.call(self._table, sid) if sid else None


def parameters() -> dict[str, str]:
    """The template's parameters on this machine."""
    allowed = {name: os.environ.get(name, own) for name, own in SAMPLES_OWN.items()}
    for name, value in allowed.items():
        if not value:
            raise StackError(
                f"{name} is empty: name yours, say any, or leave it out for the sample events' own"
            )
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


def merged(environments: list[dict[str, str]]) -> dict[str, str]:
    """The functions' environments as one, in which each name has one value."""
    settings: dict[str, str] = {}
    for environment in environments:
        for name, value in environment.items():
            if settings.setdefault(name, value) != value:
                raise StackError(f"template.yaml gives two functions different values of {name}")
    return settings


def environment(callback_url: str, aws: dict[str, str], settings: dict[str, str]) -> dict[str, str]:
    """What stack.env holds."""
    missing = [name for name in FROM_FUNCTIONS if name not in settings]
    if missing:
        raise StackError(f"template.yaml gives no function {', '.join(missing)}, which stack.env promises")
    return {"CALLBACK_URL": callback_url, **aws, **{name: settings[name] for name in FROM_FUNCTIONS}}


def env_file_text(variables: dict[str, str]) -> str:
    """KEY=value lines without quotes, so that a shell's `source` and a simple parser read the same."""
    for name, value in variables.items():
        if not re.fullmatch(r"[A-Za-z0-9._,:/@-]*", value):
            raise StackError(f"{name} holds a character that stack.env cannot hold: {value}")
    return "".join(f"{name}={value}\n" for name, value in variables.items())
