"""Each URL that a deployment prints leads to the function that reads it."""

from collections.abc import Iterator

from local.cloudformation import REGION, Deployment, router

from ..observed import Observed

# How the path of a callback begins.
TOKEN = "/{token}/"
# How the paths begin that an app opens with its user's token.
OF_THE_APP = ("/devices/", "/me/")
# The binary behind each API whose paths hold no token.
BEHIND = {"DevicesApi": "devices", "HistoryApi": "history"}


def integrations(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Each route leads to the function that serves its path, with every method. SAM makes the rest."""
    mappings = deployment.of_kind("AWS::Lambda::EventSourceMapping").values()
    called = {deployment.function_of(each["FunctionName"]) for each in mappings}
    for (api, path, method), arn in deployment.routes().items():
        called.add(function := deployment.function_of(arn))
        if method != "x-amazon-apigateway-any-method":
            yield f"{path} takes {method} alone, so the gateway and not the function answers other methods"
        served = router().get(path) if path.startswith(TOKEN) else BEHIND[api]
        if served != deployment.binary(function):
            yield f"{path} leads to {deployment.binary(function)}, in Cargo.toml to {served}"
    yield from (f"nothing calls {function}" for function in deployment.functions() if function not in called)


def authorizers(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """A path without a token asks for a signature of IAM, or for a token of the app's issuer."""
    of_app = {
        "issuer": deployment.parameters["JwtIssuer"],
        "audience": deployment.parameters["JwtAudience"].split(","),
    }
    for api in deployment.of_kind("AWS::ApiGatewayV2::Api").values():
        schemes = api["Body"].get("components", {}).get("securitySchemes", {})
        for path, methods in api["Body"]["paths"].items():
            scheme = "JWT" if path.startswith(OF_THE_APP) else "AWS_IAM"
            asked = [each.get("security") for each in methods.values()]
            if not path.startswith(TOKEN) and asked != [[{scheme: []}]]:
                yield f"{path} does not ask for {scheme} alone"
        if (
            "JWT" in schemes
            and schemes["JWT"]["x-amazon-apigateway-authorizer"]["jwtConfiguration"] != of_app
        ):
            yield "the app's tokens are not those of JwtIssuer for JwtAudience"
        if "AWS_IAM" in schemes and schemes["AWS_IAM"]["x-amazon-apigateway-authtype"] != "awsSigv4":
            yield "AWS_IAM does not check signatures"


def outputs(deployment: Deployment, observed: Observed) -> Iterator[str]:
    """Each route has an output with its URL, named after its function."""
    own = [each["DomainName"] for each in deployment.of_kind("AWS::ApiGatewayV2::DomainName").values()]
    callbacks = {key: called for key, called in deployment.routes().items() if key[1].startswith(TOKEN)}
    hosts = own or [f"{api}.execute-api.{REGION}.amazonaws.com" for api, _, _ in callbacks]
    urls = {name: url for name, url in deployment.outputs.items() if "/TOKEN/" in url}
    expected = {}
    for (_, path, _), called in callbacks.items():
        vendor = "" if path.startswith("/{token}/tencent/") else "Line"
        name = f"{vendor}{deployment.function_of(called).removesuffix('Function')}Url"
        expected[name] = f"https://{hosts[0]}{path.replace('{token}', 'TOKEN')}"
    for name in sorted(urls.keys() | expected.keys()):
        if urls.get(name) != expected.get(name):
            yield f"{name} is {urls.get(name)}, it should be {expected.get(name)}"
