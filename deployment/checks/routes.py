"""Each URL that a deployment prints leads to the function that reads it."""

import re
from collections.abc import Iterator

from local.cloudformation import REGION, Deployment, router

from ..observed import Observed

ANY_METHOD = "x-amazon-apigateway-any-method"


def integrations(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Each route calls the alias of the function that serves its path, with every method, and may call it."""
    known = {deployment.ref(name) for name in deployment.of_kind("AWS::Lambda::Alias")}
    for (api, path, method), called in deployment.routes().items():
        if method != ANY_METHOD:
            yield f"{path} takes {method} alone, so the gateway and not the function answers other methods"
        if called not in known:
            yield f"{path} leads to {called}, which is no function's alias"
            continue
        function = deployment.function_of(called)
        if router().get(path) != deployment.binary(function):
            yield f"{path} leads to {deployment.binary(function)}, in Cargo.toml to {router().get(path)}"
        if not _may_call(api, path, called, deployment):
            yield f"{path} may not call {function} (AWS::Lambda::Permission)"
    routed = {deployment.function_of(called) for called in deployment.routes().values()}
    mappings = deployment.of_kind("AWS::Lambda::EventSourceMapping").values()
    fed = {deployment.function_of(each["FunctionName"]) for each in mappings}
    yield from (
        f"nothing calls {function}" for function in deployment.functions() if function not in routed | fed
    )


def _may_call(api: str, path: str, called: str, deployment: Deployment) -> bool:
    """Whether a permission lets this path of the API, and no other API, call the function."""
    pattern = re.sub(r"\{\w+\}", "*", path)
    for permission in deployment.of_kind("AWS::Lambda::Permission").values():
        source = permission.get("SourceArn", "").split(":")[-1]
        of_this_api = source.startswith(f"{deployment.ref(api)}/") and source.endswith(pattern)
        if of_this_api and permission["FunctionName"] == called:
            return bool(permission["Principal"] == "apigateway.amazonaws.com")
    return False


def outputs(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Each route has an output with its URL, named after its function."""
    own = [each["DomainName"] for each in deployment.of_kind("AWS::ApiGatewayV2::DomainName").values()]
    hosts = own or [f"{api}.execute-api.{REGION}.amazonaws.com" for api, _, _ in deployment.routes()]
    urls = {name: url for name, url in deployment.outputs.items() if "/TOKEN/" in url}
    expected = {}
    for (_, path, _), called in deployment.routes().items():
        bare = deployment.function_of(called).removesuffix("Function")
        name = bare if path.startswith("/{token}/tencent/") else f"Line{bare}"
        expected[f"{name}Url"] = f"https://{hosts[0]}{path.replace('{token}', 'TOKEN')}"
    for name in sorted(urls.keys() | expected.keys()):
        if urls.get(name) != expected.get(name):
            yield f"{name} is {urls.get(name)}, it should be {expected.get(name)}"
