"""The local stack's commands. `make run` and `make test` call them.

python -m local run           start, play the cases, serve until Ctrl-C
python -m local run --once    start, play the cases, stop; fails if one ended differently than expected
python -m local exec -- CMD   start on free ports, run CMD with stack.env's variables, stop; exits as CMD does
python -m local exec --replay -- CMD
                              the same, and spooled records are replayed

STORE=dynamodb-local in the environment keeps the records in Amazon's DynamoDB Local instead of MiniStack.
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
    """Finds the command and runs it. Errors are one line, without a trace."""
    if sys.version_info < (3, 11):  # noqa: UP036  (said to those who have an older one)
        return fail("it needs Python 3.11 or newer")
    ignore_aws_settings()
    try:
        # Here and not above, because they need the packages of .local/venv.
        import ministack  # noqa: F401  (runs as a separate program)
        from botocore.exceptions import BotoCoreError, ClientError

        from . import commands
        from .processes import StackError
    except ModuleNotFoundError as error:
        return fail(
            f"{error.name} is not installed. `make run` installs it into .local/venv and starts from there"
        )
    try:
        match arguments:
            case ["run"]:
                return commands.run()
            case ["run", "--once"]:
                return commands.run_once()
            case ["exec", "--", program, *rest]:
                return commands.execute([program, *rest], polls=False)
            case ["exec", "--replay", "--", program, *rest]:
                return commands.execute([program, *rest], polls=True)
    except StackError as error:
        return fail(str(error))
    except (BotoCoreError, ClientError) as error:
        return fail(f"the emulated AWS gave an unexpected answer: {error}")
    print(__doc__, file=sys.stderr)
    return 2


def fail(reason: str) -> int:
    """Says what is wrong."""
    print(f"local stack: {reason}", file=sys.stderr)
    return 1


def interrupt(number: int, frame: object) -> None:
    """Ends the stack on the first signal. Later signals must not cut the end short."""
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def ignore_aws_settings() -> None:
    """Forgets the caller's AWS settings: nothing here may reach a real account, or depend on one."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    # Requests to this machine must not go through a proxy.
    direct = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = f"{direct},127.0.0.1".lstrip(",")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
