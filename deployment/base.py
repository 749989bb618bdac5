"""Prints template.yaml without its functions and its API, for functions that cargo-lambda deploys.

python -m deployment.base              the stack of docs/deploy-with-cargo-lambda.md, plain CloudFormation
python -m deployment.base policies     write what each role allows to deployment/policies/

A function is called <stack>-<binary>, which its log group, its alarms and its role's policy expect.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from local.cloudformation import ACCOUNT, REGION, Deployment, Source

from .examples import ringing, template

POLICIES = Path(__file__).with_name("policies")
# Resources that are only there for the API.
OF_THE_API = ("AccessLogs", "CallbackApi", "DevicesApi", "HistoryApi", "Domain")
FUNCTION = "AWS::Serverless::Function"


def base(source: Source) -> Source:
    """The template of everything that does not need SAM, and an export for each function's role."""
    functions = {
        name: str(each["Metadata"]["BuildProperties"]["Binary"])
        for name, each in source["Resources"].items()
        if each["Type"] == FUNCTION
    }
    resources = {name: each for name, each in source["Resources"].items() if name not in functions}
    resources = _called_by_name(_without(OF_THE_API, resources), functions)
    outputs = _without(set(source["Resources"]) - set(resources), source["Outputs"])
    for name, binary in functions.items():
        function = source["Resources"][name]
        role = function["Properties"]["Role"]["Fn::GetAtt"][0]
        outputs[f"{role}Arn"] = {
            "Value": {"Fn::GetAtt": [role, "Arn"]},
            "Export": {"Name": {"Fn::Sub": f"${{AWS::StackName}}-{binary}-role"}},
            **{key: each for key, each in function.items() if key == "Condition"},
        }
    made: Source = {
        "AWSTemplateFormatVersion": source["AWSTemplateFormatVersion"],
        "Description": "Ringback without its functions, which cargo-lambda deploys.",
        "Resources": resources,
        "Outputs": outputs,
    }
    settings = _settings(source)
    # Conditions refer to conditions, and all refer to parameters.
    used = {"Mappings", "Conditions", "Parameters"}
    for _ in used:
        needed = {*_references(made), *settings}
        for section in used:
            made[section] = {name: each for name, each in source[section].items() if name in needed}
    gone = set(source["Parameters"]) - set(made["Parameters"])
    made["Rules"] = _rules(source["Rules"], gone)
    return made


def policies(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """What the role of each binary allows. ${RecordsTableArn} stands for the ARN of the table, and so on."""
    written = {}
    for function, properties in deployment.functions().items():
        role = deployment.of_kind("AWS::IAM::Role")[deployment.named_by(properties["Role"])]
        (policy,) = role["Policies"]
        written[deployment.binary(function)] = _placeholders(policy["PolicyDocument"], deployment)
    return written


def _settings(source: Source) -> set[str]:
    """The parameters that the functions' variables hold, but no secrets: `ringback env` reads them here."""
    functions = [each["Properties"] for each in source["Resources"].values() if each["Type"] == FUNCTION]
    read = {*_references([each.get("Environment") for each in (source["Globals"]["Function"], *functions)])}
    return {name for name, each in source["Parameters"].items() if name in read and not each.get("NoEcho")}


def _without(gone: Any, parts: Mapping[str, Any]) -> dict[str, Any]:
    """The parts that refer to nothing that is gone, directly or through other parts."""
    kept = {
        name: each
        for name, each in parts.items()
        if name not in gone and not set(_references(each)) & {*gone}
    }
    return kept if len(kept) == len(parts) else _without({*gone, *(set(parts) - set(kept))}, kept)


def _references(value: Any) -> Iterator[str]:
    """Every name that an expression refers to."""
    if isinstance(value, list):
        for each in value:
            yield from _references(each)
    if not isinstance(value, dict):
        return
    for key, each in value.items():
        match key, each:
            case (("Ref" | "Condition"), str()):
                yield each
            case "Fn::GetAtt", [str(name), _]:
                yield name
            case (("Fn::If" | "Fn::FindInMap"), [str(name), *rest]):
                yield name
                yield from _references(rest)
            case "Fn::Sub", str() | [str(), _]:
                text = each if isinstance(each, str) else each[0]
                yield from (found.split(".")[0] for found in re.findall(r"\$\{([^!}]+)\}", text))
                yield from _references(each)
            case _:
                yield from _references(each)


def _called_by_name(value: Any, functions: Mapping[str, str]) -> Any:
    """The same with each reference to a function replaced by its name."""
    if isinstance(value, list):
        return [_called_by_name(each, functions) for each in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"Ref": str(name)} if name in functions:
            return {"Fn::Sub": f"${{AWS::StackName}}-{functions[name]}"}
        case {"Fn::Sub": str(text)}:
            for name, binary in functions.items():
                text = text.replace(f"${{{name}}}", f"${{AWS::StackName}}-{binary}")
            return {"Fn::Sub": text}
    return {key: _called_by_name(each, functions) for key, each in value.items()}


def _rules(rules: Mapping[str, Any], gone: set[str]) -> dict[str, Any]:
    """The rules whose parameters are still there."""
    kept = {}
    for name, rule in rules.items():
        assertions = [each for each in rule["Assertions"] if not set(_references(each)) & gone]
        if assertions and not set(_references(rule.get("RuleCondition"))) & gone:
            kept[name] = {**rule, "Assertions": assertions}
    return kept


def _placeholders(value: Any, deployment: Deployment) -> Any:
    """The same with a placeholder for each ARN of the deployment, and for the account and its region."""
    if isinstance(value, list):
        return [_placeholders(each, deployment) for each in value]
    if isinstance(value, dict):
        return {key: _placeholders(each, deployment) for key, each in value.items()}
    arn, *of_it = str(value).partition("/stream/")
    name = deployment.named_by(arn)
    if name != arn:
        return "".join((f"${{{name}Arn}}", *of_it))
    return str(value).replace(REGION, "${Region}").replace(ACCOUNT, "${AccountId}")


if __name__ == "__main__":
    if sys.argv[1:] == ["policies"]:
        for binary, policy in policies(ringing()).items():
            (POLICIES / f"{binary}.json").write_text(json.dumps(policy, indent=2) + "\n")
    else:
        print(json.dumps(base(template()), separators=(",", ":")))
