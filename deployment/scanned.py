"""Prints the template as CloudFormation gets it with everything switched on, for the security scanner.

The scanner decides conditions by the parameters' defaults and looks at nothing that they leave out: not at the key,
for one.
"""

import json
import sys

from .examples import EVERYTHING, example


def scanned() -> str:
    """Every resource, SAM's own too, with no expression left in it."""
    resources = {
        name: {"Type": each.kind, "Properties": each.properties, **each.attributes}
        for name, each in example(EVERYTHING).resources.items()
    }
    return json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}, indent=2)


if __name__ == "__main__":
    sys.stdout.write(scanned())
