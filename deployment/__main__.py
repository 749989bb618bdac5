"""The commands for a deployment, behind the make targets of the same names.

python -m deployment deploy    build the functions and deploy the stack of STAGE=dev or STAGE=prod
python -m deployment smoke     send six samples to URL=https://…/TOKEN and check what becomes of them
python -m deployment restore   put back into the table of STACK=name what it lacks of the table FROM=name
python -m deployment erase     erase USER_ID=… from the records of STACK=name
python -m deployment destroy   delete STACK=name

Everything else comes from the environment, which is where make puts STAGE=dev and the like.
"""

import os
import sys

from local.processes import StackError

from . import deploy, destroy, erase, restore, smoke

COMMANDS = {
    "deploy": deploy.run,
    "smoke": smoke.run,
    "restore": restore.run,
    "erase": erase.run,
    "destroy": destroy.run,
}


def main(arguments: list[str]) -> int:
    """Runs one command and returns the exit code. What goes wrong is said in a sentence."""
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
