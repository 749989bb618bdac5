"""What checkov does not look at in CloudFormation: whom the policies of queues and topics let in."""

from typing import Any

from checkov.cloudformation.checks.resource.base_resource_check import BaseResourceCheck
from checkov.common.models.enums import CheckCategories, CheckResult


class PublicPolicy(BaseResourceCheck):
    """Everybody may be refused something, and may be allowed something only under a condition."""

    def __init__(self) -> None:
        super().__init__(
            name="Ensure that no policy of a queue or a topic lets everybody in",
            id="CKV_RINGBACK_1",
            categories=[CheckCategories.IAM],
            supported_resources=["AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy"],
        )

    def scan_resource_conf(self, conf: dict[str, Any]) -> CheckResult:
        """Reads the statements of one policy."""
        statements = conf["Properties"]["PolicyDocument"]["Statement"]
        return CheckResult.FAILED if any(map(lets_everybody_in, statements)) else CheckResult.PASSED


def lets_everybody_in(statement: dict[str, Any]) -> bool:
    """Whether a statement allows something to whoever asks. What an expression makes is seen when it is resolved."""
    if statement.get("Effect") != "Allow" or statement.get("Condition"):
        return False
    principal = statement.get("Principal")
    named = principal.get("AWS") if isinstance(principal, dict) else principal
    return "*" in (named if isinstance(named, list) else [named])


check = PublicPolicy()
