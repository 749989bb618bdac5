"""The reader of the template, on a small one, and what the local stack takes from the real one."""

import copy
import unittest

from .cloudformation import Deployment, Source, TemplateError, parse, read, refusals, router
from .template import resources

SMALL = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Allowed: {Type: String, Default: '', AllowedPattern: '^[a-z]*$', MaxLength: 8}
  Secret: {Type: String, Default: x, NoEcho: true, AllowedValues: [x, y]}
  Stage: {Type: String, AllowedValues: [dev, prod], Default: prod}
  Days: {Type: Number, Default: 90, MinValue: 1}
Rules:
  Strict:
    RuleCondition: !Equals [!Ref Stage, prod]
    Assertions:
      - Assert: !Not [!Or [!Equals [!Ref Allowed, ''], !Equals [!Ref Allowed, any]]]
        AssertDescription: Name your services.
Conditions:
  Named: !Not [!Equals [!Ref Allowed, '']]
  Unnamed: !Not [!Condition Named]
  Both: !And [!Condition Named, !Condition Unnamed]
  Either: !Or [!Condition Named, !Condition Unnamed]
Globals:
  Function:
    Runtime: provided.al2023
    Handler: bootstrap
    CodeUri: .
    MemorySize: 256
    AutoPublishAlias: live
    Environment: {Variables: {ALLOWED: !Ref Allowed, OVERRIDDEN: globally}}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Condition: Named
    Metadata: {BuildProperties: {Binary: hello}}
    Properties:
      Environment:
        Variables:
          OVERRIDDEN: locally
          TOPIC: !Ref Jobs
          TABLE: !Ref Table
          QUEUE: !Ref Queue
          TEXT: !Sub '${AWS::Region}/${Jobs.TopicName}/${!Literal}'
          NAMED: !Sub ['${Queue.Arn}/${Own}', {Own: !Ref Days}]
          CHOSEN: !If [Unnamed, nothing, !Ref Allowed]
          LEFT_OUT: !If [Either, !Ref 'AWS::NoValue', x]
          BOTH: !If [Both, x, neither]
      Events:
        Get: {Type: HttpApi, Properties: {Path: /hello, Method: ANY}}
        Queue: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn, BatchSize: 5}}
  Jobs: {Type: AWS::SNS::Topic}
  Table: {Type: AWS::DynamoDB::Table, Properties: {TableName: !Sub '${AWS::StackName}-records'}}
  Queue: &queue {Type: AWS::SQS::Queue, DeletionPolicy: Retain}
  Unwanted: {<<: *queue, Condition: Unnamed}
Outputs:
  Where: {Value: !GetAtt Hello.Arn, Condition: Named}
"""
EXAMPLE = {
    "CallbackTokenSha256": "0123456789abcdef" * 4,
    "LineServiceIds": "my-service",
    "TencentSdkAppIds": "1400000001",
    "Stage": "dev",
    "Release": "local",
}
QUEUE_ARN = "arn:aws:sqs:us-east-1:000000000000:Queue"


def small(**given: str) -> Deployment:
    """A deployment of the small template."""
    return Deployment(parse(SMALL), given)


class SmallTemplate(unittest.TestCase):
    """Every expression that the reader knows, and what SAM's transform makes."""

    def test_expressions_have_values_that_name_their_resources(self) -> None:
        self.assertEqual(
            small(Allowed="me").environment("Hello"),
            {
                "ALLOWED": "me",
                "OVERRIDDEN": "locally",
                "TOPIC": "arn:aws:sns:us-east-1:000000000000:Jobs",
                "TABLE": "ringback-local-records",
                "QUEUE": "https://sqs.us-east-1.amazonaws.com/000000000000/Queue",
                "TEXT": "us-east-1/Jobs/${Literal}",
                "NAMED": f"{QUEUE_ARN}/90",
                "CHOSEN": "me",
                "BOTH": "neither",
            },
        )

    def test_the_local_stack_gets_resources_under_the_names_that_they_have_there(self) -> None:
        found = resources(small(Allowed="me"), "http://127.0.0.1:4566/000000000000")
        (function,) = found["functions"]
        arn = "arn:aws:sqs:us-east-1:000000000000:ringback-local-Queue"
        self.assertEqual((function["name"], function["memory"]), ("hello", "256"))
        self.assertEqual(function["queues"], [{"arn": arn, "batch_size": 5}])
        route = {"method": "x-amazon-apigateway-any-method", "path": "/hello", "iam": False}
        self.assertEqual(function["routes"], [route])
        self.assertEqual(function["environment"]["NAMED"], f"{arn}/90")
        self.assertEqual(
            function["environment"]["QUEUE"], "http://127.0.0.1:4566/000000000000/ringback-local-Queue"
        )
        self.assertEqual(list(found["queues"]), ["ringback-local-Queue"])
        self.assertEqual(found["topics"], ["ringback-local-Jobs"])

    def test_sams_transform_has_made_its_resources(self) -> None:
        deployment = small(Allowed="me")
        alias = deployment.ref("HelloAliaslive")
        self.assertEqual(alias, "arn:aws:lambda:us-east-1:000000000000:function:Hello:live")
        self.assertEqual(
            (deployment.function_of(alias), deployment.named_by(alias)), ("Hello", "HelloAliaslive")
        )
        self.assertEqual(deployment.named_by("*"), "*")
        self.assertEqual(deployment.resources["Queue"].attributes, {"DeletionPolicy": "Retain"})

    def test_a_false_condition_takes_away_resources_and_outputs(self) -> None:
        self.assertEqual(sorted(small().deployed), ["Jobs", "Queue", "Table", "Unwanted"])
        self.assertEqual(small().outputs, {})
        self.assertNotIn("Unwanted", small(Allowed="me").deployed)

    def test_what_a_deployment_does_not_have_is_named(self) -> None:
        source = parse(SMALL)
        del source["Outputs"]["Where"]["Condition"]
        for wrong, named in (
            (lambda: Deployment(source, {}).outputs, "refers to Hello"),
            (lambda: small().resolve({"Fn::GetAtt": ["Jobs", "Arns"]}), "Arns of AWS::SNS::Topic"),
            (lambda: small().resolve({"Fn::Cidr": []}), "Fn::Cidr"),
            (lambda: small(Alowed="me"), "Alowed"),
            (lambda: parse("a: ["), "not YAML"),
        ):
            with self.subTest(named=named), self.assertRaisesRegex(TemplateError, named):
                wrong()

    def test_what_sam_refuses_is_said_in_a_line(self) -> None:
        with self.assertRaisesRegex(TemplateError, "Nonsense"):
            Deployment(parse(SMALL.replace("    Properties:\n", "    Properties:\n      Nonsense: 1\n")), {})


class Refusals(unittest.TestCase):
    """What CloudFormation would say of parameters before it begins."""

    def test_parameters_are_held_to_their_bounds_and_to_the_rules(self) -> None:
        for given, expected in (
            ({"Allowed": "me"}, []),
            ({"Allowed": "any", "Stage": "dev"}, []),
            ({"Allowed": "any"}, ["Name your services."]),
            ({"Allowed": "me", "Stage": "test"}, ["Stage=test is not one of dev, prod"]),
            ({"Allowed": "M"}, ["Allowed=M does not match ^[a-z]*$"]),
            ({"Allowed": "toolongforit"}, ["Allowed=toolongforit is out of bounds"]),
            ({"Allowed": "me", "Days": "0"}, ["Days=0 is out of bounds"]),
            # A secret is not repeated.
            ({"Allowed": "me", "Secret": "hush"}, ["Secret is not one of x, y"]),
        ):
            with self.subTest(given=given):
                self.assertEqual(refusals(parse(SMALL), given), expected)

    def test_a_parameter_without_a_value_is_named(self) -> None:
        source: Source = copy.deepcopy(parse(SMALL))
        del source["Parameters"]["Allowed"]["Default"]
        with self.assertRaisesRegex(TemplateError, "a value of Allowed"):
            refusals(source, {})


class RealTemplate(unittest.TestCase):
    """template.yaml, as the local stack gets it."""

    def setUp(self) -> None:
        self.functions = {
            each["name"]: each
            for each in resources(Deployment(read(), EXAMPLE), "http://127.0.0.1")["functions"]
        }

    def test_the_routers_routes_are_those_of_the_template(self) -> None:
        callbacks = {
            route["path"]: name
            for name, function in self.functions.items()
            for route in function["routes"]
            if not route["iam"]
        }
        self.assertEqual(router(), callbacks)

    def test_the_registry_of_devices_takes_only_signed_requests(self) -> None:
        self.assertEqual({route["iam"] for route in self.functions["devices"]["routes"]}, {True})

    def test_replay_is_fed_from_the_spool_and_has_no_route(self) -> None:
        spool = {"arn": "arn:aws:sqs:us-east-1:000000000000:ringback-local-SpoolQueue", "batch_size": 10}
        replay = self.functions["replay"]
        self.assertEqual((replay["routes"], replay["queues"]), ([], [spool]))
