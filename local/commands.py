"""What the commands do."""

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

from .processes import StackError, free_port, port_from_environment, shown
from .redrive import redrive_deployment, redrive_local
from .router import forward_ipv6
from .samples import load, play_all, written
from .show import sample_line
from .stack import SAMPLES_OWN, Stack

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".local"
EXAMPLE = "events/notify/audio-call.json"


def run() -> int:
    """Starts the stack, plays the sample events, and serves until it is interrupted."""
    began = time.monotonic()
    aws_port = port_from_environment("RINGBACK_AWS_PORT", 4566)
    port = port_from_environment("RINGBACK_PORT", 9000)
    if port == aws_port:
        raise StackError(f"RINGBACK_PORT and RINGBACK_AWS_PORT are both {port}")
    with Stack(ROOT, FOLDER, aws_port, port) as stack:
        took = time.monotonic() - began
        print(f"The local stack is up after {took:.1f} s. The sample events, and what became of each:", flush=True)
        play_samples(stack)
        stack.write_env_file()
        print(how_to_go_on(stack, forward_ipv6(port)), flush=True)
        try:
            stack.serve()
        except KeyboardInterrupt:
            print("\nThe local stack is stopping.", flush=True)
    return 0


def run_once() -> int:
    """Plays the sample events on a stack of its own, on ports of its own; fails if one ended differently."""
    with Stack(ROOT, FOLDER / "test", free_port(), free_port()) as stack:
        return 1 if play_samples(stack, only_differences=True) else 0


def play_samples(stack: Stack, only_differences: bool = False) -> int:
    """Plays every sample event and says how many things are different from what is expected."""
    began = time.monotonic()
    samples = load(written(ROOT), stack.functions)
    different = 0
    sessions = []
    # The functions side by side, because there are a thousand samples; those of one function after each other.
    pool = ThreadPoolExecutor(len(samples))
    try:
        for played, results in zip(samples, pool.map(play_all, samples, repeat(stack)), strict=True):
            if played:
                print(f"\n{played[0].function.name}: {len(played)} samples")
            for sample, result in zip(played, results, strict=True):
                differs = result.differs(sample.expected)
                different += bool(differs)
                if differs or not only_differences:
                    print(sample_line(sample.case, result.status, result.became, differs))
            sessions += [session for result in results for session in result.added_to]
    finally:
        # Whoever interrupts does not wait for the rest.
        pool.shutdown(wait=False, cancel_futures=True)

    # Each event is one item, and each call one more. What is there beside them, a callback has recorded without a word.
    wanted, held = len(sessions) + len(set(sessions)), stack.count_records()
    if wanted != held:
        different += 1
        print(
            f"\nDIFFERENT: the table holds {held} items, and not {wanted}: an event for each sample that was recorded"
        )
    print(
        f"\n{sum(map(len, samples))} samples in {time.monotonic() - began:.1f} s, "
        f"{different or 'none'} different from what their tables say.",
        flush=True,
    )
    if any(os.environ.get(name, own) != own for name, own in SAMPLES_OWN.items()):
        print(f"Some must be different: they are written for {' and '.join(SAMPLES_OWN)} of their own.", flush=True)
    return different


def how_to_go_on(stack: Stack, ipv6: bool) -> str:
    """What a person can do now."""
    query = "sid=try-1&agent_type=AUDIO_CALLER&media_source_type=STORED_SOURCE&result=SUCCESS&fail_reason=None"
    options = ("" if ipv6 else " --invoke-address 127.0.0.1") + (
        "" if stack.port == 9000 else f" --invoke-port {stack.port}"
    )
    return f"""
CALLBACK_URL={stack.callback_url}
This and what else tests and scripts need to know is in {shown(stack.env_file)}. Send a callback with

  curl '{stack.callback_url}/line/agent_call_status?{query}'
  PATH=.local/venv/bin:$PATH cargo lambda invoke{options} notify --data-file {EXAMPLE}

Each callback prints a line here. Ctrl-C ends everything.
"""


def execute(command: list[str], polls: bool) -> int:
    """Runs a command beside a stack of its own, on ports of its own, and returns the command's exit code."""
    # Tests write from several sides at once, and one instance takes one request at a time.
    with Stack(ROOT, FOLDER / "test", free_port(), free_port(), instances=3, polls=polls) as stack:
        stack.write_env_file()
        environment = {**os.environ, **stack.environment, "RINGBACK_STACK_ENV": str(stack.env_file)}
        try:
            process = subprocess.Popen(command, env=environment)
        except OSError as error:
            raise StackError(f"cannot run {command[0]}: {error.strerror}") from error
        try:
            code = process.wait()
        except KeyboardInterrupt:
            end(process)
            raise
    # As a shell has it: 128 and the number of the signal.
    return code if code >= 0 else 128 - code


def replay(deployment: str) -> int:
    """Brings dead letters back into the spool, those of a deployment when one is named."""
    moved = redrive_deployment(deployment) if deployment else redrive_local(FOLDER / "stack.env")
    letters = "1 dead letter" if moved == 1 else f"{moved} dead letters"
    print(f"{letters} moved back into the spool" + (f" of {deployment}." if deployment else "."))
    return 0


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ends a command that was interrupted."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
