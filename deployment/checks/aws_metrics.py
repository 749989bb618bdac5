"""The metrics that AWS keeps of its own services, as far as this project may want to look at them.

They are listed on the page of the AWS documentation that stands above each. A name that is missing here need not be
wrong: look it up and add it.
"""

# Amazon API Gateway, "Monitor CloudWatch metrics for HTTP APIs". REST APIs have other names (5XXError) and no ApiId.
API_GATEWAY = ("4xx", "5xx", "Count", "IntegrationLatency", "Latency", "DataProcessed")
# AWS Lambda, "Types of metrics for Lambda functions" and "Viewing metrics for Lambda functions".
LAMBDA = (
    "Invocations",
    "Errors",
    "Throttles",
    "Duration",
    "ConcurrentExecutions",
    "ProvisionedConcurrencyInvocations",
    "ProvisionedConcurrencySpilloverInvocations",
    "ProvisionedConcurrencyUtilization",
    "ProvisionedConcurrentExecutions",
)
# Amazon SQS, "Available CloudWatch metrics for Amazon SQS".
SQS = (
    "ApproximateAgeOfOldestMessage",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesVisible",
    "NumberOfEmptyReceives",
    "NumberOfMessagesDeleted",
    "NumberOfMessagesReceived",
    "NumberOfMessagesSent",
    "SentMessageSize",
)
# Amazon SNS, "Monitoring Amazon SNS topics using CloudWatch".
SNS = (
    "NumberOfMessagesPublished",
    "NumberOfNotificationsDelivered",
    "NumberOfNotificationsFailed",
    "NumberOfNotificationsFilteredOut",
    "NumberOfNotificationsRedrivenToDlq",
    "NumberOfNotificationsFailedToRedriveToDlq",
    "PublishSize",
)
# Amazon DynamoDB, "DynamoDB Metrics and dimensions": each metric's section says which dimensions it has.
DYNAMODB_OF_A_TABLE = (
    "ConditionalCheckFailedRequests",
    "ConsumedReadCapacityUnits",
    "ConsumedWriteCapacityUnits",
    "ReadThrottleEvents",
    "TimeToLiveDeletedItemCount",
    "WriteThrottleEvents",
)
DYNAMODB_OF_AN_OPERATION = ("SuccessfulRequestLatency", "SystemErrors", "ThrottledRequests")

# By namespace and metric: the sets of dimensions that it comes with.
KNOWN: dict[tuple[str, str], tuple[frozenset[str], ...]] = {
    **{("AWS/ApiGateway", name): (frozenset({"ApiId"}), frozenset({"ApiId", "Stage"})) for name in API_GATEWAY},
    **{("AWS/Lambda", name): (frozenset({"FunctionName"}), frozenset({"FunctionName", "Resource"})) for name in LAMBDA},
    **{("AWS/SQS", name): (frozenset({"QueueName"}),) for name in SQS},
    **{("AWS/SNS", name): (frozenset({"TopicName"}),) for name in SNS},
    **{("AWS/DynamoDB", name): (frozenset({"TableName"}),) for name in DYNAMODB_OF_A_TABLE},
    **{("AWS/DynamoDB", name): (frozenset({"TableName", "Operation"}),) for name in DYNAMODB_OF_AN_OPERATION},
}
# The kind of resource that a dimension names.
NAMED_BY = {
    "ApiId": "AWS::ApiGatewayV2::Api",
    "Stage": "AWS::ApiGatewayV2::Stage",
    "FunctionName": "AWS::Lambda::Function",
    "QueueName": "AWS::SQS::Queue",
    "TableName": "AWS::DynamoDB::Table",
    "TopicName": "AWS::SNS::Topic",
}
