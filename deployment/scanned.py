"""Prints the template as CloudFormation gets it with everything switched on, for the security scanner.

The scanner decides conditions by the parameters' defaults and does not see what they leave out, such as the
key.
"""

import json
import sys

from .examples import EVERYTHING, example

if __name__ == "__main__":
    resources = {
        name: {"Type": each.kind, "Properties": each.properties, **each.attributes}
        for name, each in example(EVERYTHING).resources.items()
    }
    json.dump({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}, sys.stdout, indent=2)
