"""What the commands do."""

import os
import subprocess
import time
from pathlib import Path

from . import show
from .cases import RECORDED, Result, load, play_all, play_call
from .processes import StackError, free_port, port_from_environment, shown
from .redrive import redrive_deployment, redrive_local
from .stack import SAMPLES_OWN, Stack

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".local"
CASES = ROOT / "target/cases"
EMULATORS = {
    "ministack": "DynamoDB, SNS and SQS emulated by MiniStack",
    "dynamodb-local": "SNS and SQS emulated by MiniStack, and Amazon's DynamoDB Local",
}
EXAMPLE = "events/notify/video-call.json"


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
    """Plays the cases on a stack of its own, on free ports; fails if one ended differently."""
    began = time.monotonic()
    with Stack(ROOT, FOLDER / "test", free_port(), free_port()) as stack:
        lines, different = first_screen(stack, time.monotonic() - began, [])
    print("\n".join(lines), flush=True)
    return 1 if different else 0


def first_screen(stack: Stack, seconds: float, tail: list[str]) -> tuple[list[str], int]:
    """Plays every case. Returns what to print, and how many things are different from what is expected."""
    calls, cases = load(CASES, stack.functions)
    if not sum(map(len, cases)):
        raise StackError(f"there are no cases in {shown(CASES)}: `make cases` writes them")
    stories: list[list[str]] = []
    differences: list[str] = []
    results: list[Result] = []
    for call in calls:
        played, differs = play_call(call, stack)
        results += played
        if call.told:
            stories.append(show.story(call, played))
        if differs:
            differences += [*show.story(call, played), f"  ^^^ DIFFERENT: {show.clean(differs)}"]

    table: list[str] = []
    for function, results_of_one in zip(cases, play_all(cases, stack), strict=True):
        table += ["", f"{function[0].function.name}: {len(function)} cases"] if function else []
        for case, result in zip(function, results_of_one, strict=True):
            differs = result.differs(case.expected)
            line = show.case_line(case, result, differs)
            table.append(line)
            differences += [f"{case.function.name}\n{line}"] if differs else []
        results += results_of_one
    differences += miscounted(results, stack.count_records())

    told = [step.event for call in calls if call.told for step in call.steps]
    count = sum(case.event not in told for function in cases for case in function)
    others = sum(not call.told for call in calls)
    summary = [
        f"{count} more callbacks and {others} more whole calls, {len(differences) or 'none'} different from what is expected."
    ]
    if differences:
        summary = [*differences, "", *summary]
        if any(os.environ.get(name, own) != own for name, own in SAMPLES_OWN.items()):
            summary.append(
                f"Some must differ: they are written for {' and '.join(SAMPLES_OWN)} of their own."
            )
    elif not os.environ.get("ALL"):
        summary[0] += " `make run ALL=yes` shows each."
    head = [
        f"Ringback is up after {seconds:.1f} s: {len(stack.functions)} functions, with {EMULATORS[stack.store]}.",
        "What became of some calls that were played through them:",
    ]
    if os.environ.get("ALL"):
        told_lines = [line for story in stories for line in ["", *story]]
        return [*head, *told_lines, *table, "", *summary, *tail], len(differences)
    return show.screen(head, stories, summary, tail), len(differences)


def miscounted(results: list[Result], held: int) -> list[str]:
    """Each event is one item, and each call one more. Any other item was recorded without a word."""
    added = [
        each.sid for result in results for each in result.handled if each.call and each.outcome == RECORDED[0]
    ]
    wanted = len(added) + len(set(added))
    return [] if wanted == held else [f"DIFFERENT: the table holds {held} items instead of {wanted}"]


def what_next(stack: Stack) -> list[str]:
    """What a person can do now."""
    query = "sid=try-1&agent_type=AUDIO_CALLER&result=SUCCESS"
    address = "" if stack.router.ipv6 else " --invoke-address 127.0.0.1"
    port = "" if stack.port == 9000 else f" -P {stack.port}"
    return [
        "",
        "Now send callbacks of your own, from another terminal:",
        "",
        f"  . {shown(stack.env_file)}                  # addresses and names, for scripts too",
        f'  curl "$CALLBACK_URL/line/agent_call_status?{query}"',
        "  export PATH=$PWD/.local/venv/bin:$PATH",
        f"  cargo lambda invoke{address}{port} notify --data-file {EXAMPLE}",
        "",
        "Each callback prints a line here. Ctrl-C stops everything.",
    ]


def serve(stack: Stack) -> None:
    """Prints a line for each callback until it is interrupted."""
    printed_by_all = stack.running.all_printed()
    while True:
        printed = printed_by_all.get()
        fields = printed.fields
        if printed.trouble:
            log = shown(stack.running.log(printed.function))
            print(f"{printed.function}: {show.clean(printed.trouble)} (see {log})", flush=True)
            continue
        became = "; ".join(map(show.job_line, stack.take_jobs(printed.function, fields.get("status"))))
        if not became and fields.get("outcome") in RECORDED:
            became = show.call_line(stack.call(str(fields.get("sid", ""))))
        print(show.log_line(fields, became), flush=True)


def execute(command: list[str], polls: bool) -> int:
    """Runs a command beside a stack of its own, on free ports, and returns the command's exit code."""
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
    # As a shell has it: 128 and the number of the signal.
    return code if code >= 0 else 128 - code


def replay(deployment: str) -> int:
    """Brings dead letters back into the spool, those of a deployment when one is named."""
    moved = redrive_deployment(deployment) if deployment else redrive_local(FOLDER / "stack.env")
    letters = "1 dead letter" if moved == 1 else f"{moved} dead letters"
    print(f"{letters} moved back into the spool" + (f" of {deployment}." if deployment else "."))
    return 0
