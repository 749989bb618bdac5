"""Each URL that a deployment tells leads to the function that reads it."""

import re
import tomllib
from collections.abc import Iterator
from functools import cache

from ..observed import Observed
from ..transformed import ROOT, Deployment

# How a template's URL writes the place of the token, and how a route does.
IN_URL, IN_ROUTE = "/TOKEN/", "/{token}/"
INTEGRATION = "x-amazon-apigateway-integration"
ANY_METHOD = "x-amazon-apigateway-any-method"


@cache
def paths_of_the_code() -> dict[str, str]:
    """The binary that serves each path, as shared/src/route.rs has it."""
    code = (ROOT / "shared/src/route.rs").read_text()
    written = re.findall(r'\bline\("(\w+)", "([^"]+)"\)', code)
    written += re.findall(r'callback: "(\w+)",[^}]*?path: "([^"]+)"', code)
    return {f"/{{token}}{path}": callback.replace("_", "-") for callback, path in written}


@cache
def paths_of_the_router() -> dict[str, str]:
    """The binary that the local router gives each path to, as Cargo.toml has it."""
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    router: dict[str, str] = manifest["workspace"]["metadata"]["lambda"]["watch"]["router"]
    return router


def routes(deployment: Deployment) -> Iterator[tuple[str, str, str, str]]:
    """Every route: its API, its path, its method, and the ARN that it calls."""
    for name, api in deployment.of_kind("AWS::ApiGatewayV2::Api").items():
        for path, methods in api["Body"]["paths"].items():
            for method, operation in methods.items():
                uri = operation[INTEGRATION]["uri"]
                yield name, path, method, uri.partition("/functions/")[2].removesuffix("/invocations")


def integrations(deployment: Deployment, observed: Observed) -> list[str]:
    """Each route calls the alias of a function that serves the path, with every method, and the API may call it."""
    known = {deployment.ref(name) for name in deployment.of_kind("AWS::Lambda::Alias")}
    findings = []
    for api, path, method, called in routes(deployment):
        if method != ANY_METHOD:
            findings.append(f"{path} takes {method} alone, so the gateway and not the function answers other methods")
        if called not in known:
            findings.append(f"{path} leads to {called}, which is no function's alias")
            continue
        binary = deployment.binary(deployment.function_of(called))
        for where, serves in (("shared/src/route.rs", paths_of_the_code()), ("Cargo.toml", paths_of_the_router())):
            if serves.get(path) != binary:
                findings.append(f"{path} leads to {binary}, but in {where} {serves.get(path, 'no function')} serves it")
        if not _may_call(api, path, called, deployment):
            findings.append(f"{path} may not call {deployment.function_of(called)} (AWS::Lambda::Permission)")
    return findings


def _may_call(api: str, path: str, called: str, deployment: Deployment) -> bool:
    """Whether a permission lets this path of the API, and no other API, call the function."""
    pattern = re.sub(r"\{\w+\}", "*", path)
    for permission in deployment.of_kind("AWS::Lambda::Permission").values():
        source = permission.get("SourceArn", "").split(":")[-1]
        if (
            permission["FunctionName"] == called
            and permission["Principal"] == "apigateway.amazonaws.com"
            and source.split("/", 1)[0] == deployment.ref(api)
            and source.endswith(pattern)
        ):
            return True
    return False


def every_function_is_routed(deployment: Deployment, observed: Observed) -> list[str]:
    """Each function that the code gives a path has its route and its output; one without is fed by a queue."""
    routed = {deployment.function_of(called): path for _, path, _, called in routes(deployment)}
    fed = {deployment.function_of(each["FunctionName"]) for each in _mappings(deployment)}
    told = set(_told(deployment).values())
    findings = []
    for function in deployment.functions():
        serves = deployment.binary(function) in paths_of_the_code().values()
        if serves and function not in routed:
            findings.append(f"{function} has no route")
        elif serves and routed[function] not in told:
            findings.append(f"{function} has a route that no output tells")
        elif not serves and function not in fed:
            findings.append(f"{function} is called by nobody")
    return findings


def _mappings(deployment: Deployment) -> list[dict[str, str]]:
    return list(deployment.of_kind("AWS::Lambda::EventSourceMapping").values())


def outputs(deployment: Deployment, observed: Observed) -> list[str]:
    """Each URL that is told is that of the function whose name it bears."""
    by_path = {path: deployment.function_of(called) for _, path, _, called in routes(deployment)}
    findings = []
    for output, path in _told(deployment).items():
        if path not in by_path:
            findings.append(f"{output} is {path}, which is no route")
            continue
        bare = by_path[path].removesuffix("Function")
        if output not in (f"{bare}Url", f"Line{bare}Url"):
            findings.append(f"{output} leads to {by_path[path]}")
    findings += [
        f"{name} is {url}, which is none of this API's addresses"
        for name, url in deployment.outputs.items()
        if IN_URL in url and name not in _told(deployment)
    ]
    return findings


def _told(deployment: Deployment) -> dict[str, str]:
    """The path of each URL that is told, beneath whichever address the API has."""
    return {
        name: url.removeprefix(base).replace(IN_URL, IN_ROUTE)
        for name, url in deployment.outputs.items()
        for base in bases(deployment)
        if url.startswith(f"{base}{IN_URL}")
    }


def bases(deployment: Deployment) -> set[str]:
    """The API's addresses: a domain of one's own in the place of AWS's, when there is one."""
    own = {f"https://{each['DomainName']}" for each in deployment.of_kind("AWS::ApiGatewayV2::DomainName").values()}
    return own or {
        f"https://{deployment.ref(name)}.execute-api.{deployment.resolve({'Ref': 'AWS::Region'})}.amazonaws.com"
        for name in deployment.of_kind("AWS::ApiGatewayV2::Api")
    }
