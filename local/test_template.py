"""The reader of the template, on a small one, and what the local stack takes from the real one."""

import copy
import unittest

from .cloudformation import ROOT, Deployment, Source, parse, refusals, router
from .processes import StackError
from .stack import FROM_FUNCTIONS, QUEUES, parameters
from .template import Queue, Template

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

    def test_what_exists_goes_by_the_name_that_it_got(self) -> None:
        template = Template(SMALL, {"Allowed": "me"})
        self.assertEqual(template.functions()[0].environment["QUEUE"].rsplit("/", 1)[-1], "Queue")
        template.created("Queue", "http://queue", Arn="arn:queue")
        (function,) = template.functions()
        self.assertEqual((function.name, function.routes, function.memory), ("hello", ["/hello"], "256"))
        self.assertEqual(function.queues, (Queue("arn:queue", 5, False),))
        self.assertEqual(function.environment["NAMED"], "arn:queue/90")
        self.assertEqual(template.routes(), {"/hello": "hello"})

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
            with self.subTest(named=named), self.assertRaisesRegex(StackError, named):
                wrong()

    def test_what_sam_refuses_is_said_in_a_line(self) -> None:
        with self.assertRaisesRegex(StackError, "Nonsense"):
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
        with self.assertRaisesRegex(StackError, "a value of Allowed"):
            refusals(source, {})


class RealTemplate(unittest.TestCase):
    """template.yaml, and what the local stack looks for in it."""

    def setUp(self) -> None:
        self.template = Template.read(ROOT / "template.yaml", parameters())

    def test_the_routers_routes_are_those_of_the_template(self) -> None:
        # The registry's routes ask for a signature, which the router cannot check.
        routes = self.template.routes().items()
        callbacks = {path: binary for path, binary in routes if path.startswith("/{token}/")}
        self.assertEqual(router(), callbacks)

    def test_replay_is_fed_from_the_spool_and_has_no_route(self) -> None:
        (replay,) = [function for function in self.template.functions() if function.name == "replay"]
        spool = self.template.resolve({"Fn::GetAtt": ["SpoolQueue", "Arn"]})
        self.assertEqual((replay.routes, replay.queues), ([], (Queue(spool, 10, True),)))

    def test_what_stack_env_looks_for_is_there(self) -> None:
        self.assertLessEqual(set(QUEUES.values()), set(self.template.resources("AWS::SQS::Queue")))
        given = {name for function in self.template.functions() for name in function.environment}
        self.assertLessEqual(set(FROM_FUNCTIONS), given)
