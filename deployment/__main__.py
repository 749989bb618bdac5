"""What changes a deployment, behind the make targets of the same names. `ringback` does the rest.

python -m deployment deploy    build the functions and deploy the stack of STAGE=dev or STAGE=prod
python -m deployment destroy   delete STACK=name

Everything else comes from the environment, which is where make puts STAGE=dev and the like.
"""

import os
import sys

from local.processes import StackError

from . import deploy, destroy

COMMANDS = {
    "deploy": deploy.run,
    "destroy": destroy.run,
}


def main(arguments: list[str]) -> int:
    """Runs one command and returns the exit code. Errors are one sentence."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        return COMMANDS[arguments[0]](os.environ)
    except StackError as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
