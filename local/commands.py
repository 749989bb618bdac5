"""What the commands do."""

import os
import subprocess
import time
from pathlib import Path

from . import show
from .cases import RECORDED, Result, load, play_all, play_call
from .functions import Printed
from .processes import StackError, free_port, port_from_environment, shown
from .stack import SAMPLES_OWN, Stack

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".local"
CASES = ROOT / "target/cases"
EMULATORS = {
    "ministack": "MiniStack emulates DynamoDB, SNS and SQS",
    "dynamodb-local": "MiniStack emulates SNS and SQS, beside DynamoDB Local",
}
EXAMPLE = "events/notify/audio-call.json"


def run() -> int:
    """Starts the stack, plays the cases, and serves until it is interrupted."""
    began = time.monotonic()
    aws_port = port_from_environment("RINGBACK_AWS_PORT", 4566)
    port = port_from_environment("RINGBACK_PORT", 9000)
    if port == aws_port:
        raise StackError(f"RINGBACK_PORT and RINGBACK_AWS_PORT are both {port}")
    with Stack(ROOT, FOLDER, aws_port, port) as stack:
        lines, _ = first_screen(stack, time.monotonic() - began, what_next(stack))
        stack.write_env_file()
        print("\n".join(lines), flush=True)
        try:
            serve(stack)
        except KeyboardInterrupt:
            print("\nThe local stack is stopping.", flush=True)
    return 0


def run_once() -> int:
    """Plays the cases on a separate stack, on free ports; fails if one ended differently."""
    began = time.monotonic()
    with Stack(ROOT, FOLDER / "test", free_port(), free_port()) as stack:
        lines, different = first_screen(stack, time.monotonic() - began, [])
    print("\n".join(lines), flush=True)
    return 1 if different else 0


def first_screen(stack: Stack, seconds: float, tail: list[str]) -> tuple[list[str], int]:
    """Plays every case. Returns what to print, and how many things are different from what is expected."""
    calls, cases = load(CASES, stack.functions)
    if not calls or not cases:
        raise StackError(f"there are no cases in {shown(CASES)}: `make cases` writes them")
    results: list[Result] = []
    every_case, told, differences = [], [], []
    for call in calls:
        played, differs = play_call(call, stack)
        results += played
        every_case.append(show.story(call, played))
        told += [every_case[-1]] if call.told else []
        differences += ["\n".join(every_case[-1]) + show.different(differs)] if differs else []
    for function, played in zip(cases, play_all(cases, stack), strict=True):
        results += played
        every_case.append([function[0].function.name])
        for case, result in zip(function, played, strict=True):
            differs = result.differs(case.expected)
            every_case[-1].append(show.line(case.name, result, differs))
            differences += [f"{case.function.name}\n{every_case[-1][-1]}"] if differs else []
    differences += miscounted(results, stack.count_records())

    events = [step.event for call in calls if call.told for step in call.steps]
    others = sum(case.event not in events for function in cases for case in function)
    whole = len(calls) - len(told)
    summary = f"{others} more callbacks and {whole} more whole calls: {len(differences) or 'none'} different."
    running = f"{len(stack.functions)} functions; {EMULATORS[stack.store]}"
    head = f"Ringback is up after {seconds:.1f} s: {running}."
    if os.environ.get("ALL"):
        lines = [line for story in every_case for line in ["", *story]]
        return [head, *lines, "", *differences, summary, *tail], len(differences)
    if not differences:
        summary += " `make run ALL=yes` shows each."
    elif any(os.environ.get(name, own) != own for name, own in SAMPLES_OWN.items()):
        summary += f" They are written for {' and '.join(SAMPLES_OWN)} of their own."
    return show.screen([head], told, [*differences, summary, *tail]), len(differences)


def miscounted(results: list[Result], held: int) -> list[str]:
    """Each event is one item, and each call one more. Any other item was recorded without a log line."""
    stored = [each for result in results for each in result.handled if each.call]
    calls = len({each.sid for each in stored})
    # A write whose answer is lost is tried again and looks like a duplicate.
    fewest, most = calls + sum(each.outcome == "recorded" for each in stored), calls + len(stored)
    if fewest <= held <= most:
        return []
    return [f"DIFFERENT: the table holds {held} items, not {fewest} to {most}"]


def what_next(stack: Stack) -> list[str]:
    """What a person can do now."""
    query = "sid=try-1&agent_type=AUDIO_CALLER&result=SUCCESS"
    address = "" if stack.router.ipv6 else " --invoke-address 127.0.0.1"
    port = "" if stack.port == 9000 else f" -P {stack.port}"
    return [
        "Send callbacks of your own from another terminal; each prints a line here. Ctrl-C stops everything.",
        f"  . {shown(stack.env_file)}; export PATH=$PWD/.local/venv/bin:$PATH",
        f'  curl "$CALLBACK_URL/line/agent_call_status?{query}"',
        f"  cargo lambda invoke{address}{port} notify --data-file {EXAMPLE}",
    ]


def serve(stack: Stack) -> None:
    """Prints a line for each callback until it is interrupted."""
    while True:
        for function in stack.functions:
            for printed in stack.running.new_lines(function.name):
                print(serving_line(function.name, printed, stack), flush=True)
        time.sleep(0.1)


def serving_line(function: str, printed: Printed, stack: Stack) -> str:
    """What a person sees of a line that a function prints."""
    fields = printed.fields
    if printed.trouble:
        return f"{function}: {show.clean(printed.trouble)} (see {shown(stack.running.log(function))})"
    became = "; ".join(map(show.job_line, stack.take_jobs(function, fields.get("status"))))
    call = stack.call(str(fields.get("sid", ""))) if fields.get("outcome") in RECORDED else None
    became = show.call_line(call) if call else became
    return show.log_line(fields, became)


def execute(command: list[str], polls: bool) -> int:
    """Runs a command with a separate stack, on free ports, and returns the command's exit code."""
    # Tests write from several sides at once, and one instance takes one request at a time.
    with Stack(ROOT, FOLDER / "test", free_port(), free_port(), instances=3, polls=polls) as stack:
        stack.write_env_file()
        own = {"RINGBACK_STACK_ENV": str(stack.env_file), "RINGBACK_STACK_PID": str(os.getpid())}
        try:
            process = subprocess.Popen(command, env={**os.environ, **stack.environment, **own})
        except OSError as error:
            raise StackError(f"cannot run {command[0]}: {error.strerror}") from error
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise
    # As in a shell: 128 plus the number of the signal.
    return code if code >= 0 else 128 - code
