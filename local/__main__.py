"""The local stack's commands. `make run`, `make test` and `make replay` call them.

python -m local run           start, play the sample events, serve until Ctrl-C
python -m local run --once    start, play the sample events, stop; fails if one ended differently than expected
python -m local exec -- CMD   start on free ports, run CMD with the variables of stack.env, stop; exits as CMD does
python -m local exec --replay -- CMD
                              the same, and what is spooled is replayed
python -m local replay        bring the dead letters of the running stack back into its spool; with STACK=NAME in the
                              environment, those of that CloudFormation stack, with your own AWS settings
"""

import os
import signal
import sys

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: list[str]) -> int:
    """Runs one command and returns the exit code."""
    for number in ENDING:
        # Under nohup the stack outlives its terminal.
        if (number, signal.getsignal(number)) != (signal.SIGHUP, signal.SIG_IGN):
            signal.signal(number, interrupt)
    try:
        return command(arguments)
    except KeyboardInterrupt:
        return 130


def command(arguments: list[str]) -> int:
    """Finds the command and runs it. What goes wrong is said in a sentence."""
    if sys.version_info < (3, 11):  # noqa: UP036  (whoever has an older one should hear of it)
        return fail("it needs Python 3.11 or newer")
    # The one command that may reach a real account, and only when it is named.
    deployment = os.environ.get("STACK", "") if arguments == ["replay"] else ""
    if not deployment:
        leave_the_readers_aws_alone()
    try:
        # Here and not above, for whoever calls this without its packages.
        import ministack  # noqa: F401  (run as a program of its own)
        from botocore.exceptions import BotoCoreError, ClientError

        from . import commands
        from .processes import StackError
    except ModuleNotFoundError as error:
        return fail(f"{error.name} is not installed. `make run` installs it into .local/venv and starts from there")
    try:
        if arguments == ["run"]:
            return commands.run()
        if arguments == ["run", "--once"]:
            return commands.run_once()
        if arguments[:2] == ["exec", "--"] and len(arguments) > 2:
            return commands.execute(arguments[2:], polls=False)
        if arguments[:3] == ["exec", "--replay", "--"] and len(arguments) > 3:
            return commands.execute(arguments[3:], polls=True)
        if arguments == ["replay"]:
            return commands.replay(deployment)
    except StackError as error:
        return fail(str(error))
    except (BotoCoreError, ClientError) as error:
        return fail(f"the emulator (MiniStack) does not do what it should: {error}")
    print(__doc__, file=sys.stderr)
    return 2


def fail(reason: str) -> int:
    """Says what is wrong."""
    print(f"local stack: {reason}", file=sys.stderr)
    return 1


def interrupt(number: int, frame: object) -> None:
    """Ends the stack on the first signal. Those that follow must not cut its end short."""
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def leave_the_readers_aws_alone() -> None:
    """Forgets the AWS settings of whoever runs this: nothing here may reach a real account, or depend on one."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    # Where there is a proxy, it must not be asked for what is on this machine.
    direct = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = f"{direct},127.0.0.1".lstrip(",")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
