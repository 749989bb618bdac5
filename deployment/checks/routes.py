"""Each URL that a deployment prints leads to the function that reads it."""

from collections.abc import Iterator

from local.cloudformation import REGION, Deployment, router

from ..observed import Observed


def integrations(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Each route leads to the function that serves its path, with every method. SAM makes the rest."""
    mappings = deployment.of_kind("AWS::Lambda::EventSourceMapping").values()
    called = {deployment.function_of(each["FunctionName"]) for each in mappings}
    for (_, path, method), arn in deployment.routes().items():
        called.add(function := deployment.function_of(arn))
        if method != "x-amazon-apigateway-any-method":
            yield f"{path} takes {method} alone, so the gateway and not the function answers other methods"
        if router().get(path) != deployment.binary(function):
            yield f"{path} leads to {deployment.binary(function)}, in Cargo.toml to {router().get(path)}"
    yield from (f"nothing calls {function}" for function in deployment.functions() if function not in called)


def outputs(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Each route has an output with its URL, named after its function."""
    own = [each["DomainName"] for each in deployment.of_kind("AWS::ApiGatewayV2::DomainName").values()]
    hosts = own or [f"{api}.execute-api.{REGION}.amazonaws.com" for api, _, _ in deployment.routes()]
    urls = {name: url for name, url in deployment.outputs.items() if "/TOKEN/" in url}
    expected = {}
    for (_, path, _), called in deployment.routes().items():
        vendor = "" if path.startswith("/{token}/tencent/") else "Line"
        name = f"{vendor}{deployment.function_of(called).removesuffix('Function')}Url"
        expected[name] = f"https://{hosts[0]}{path.replace('{token}', 'TOKEN')}"
    for name in sorted(urls.keys() | expected.keys()):
        if urls.get(name) != expected.get(name):
            yield f"{name} is {urls.get(name)}, it should be {expected.get(name)}"
