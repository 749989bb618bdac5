"""The template reader, on small templates and on the real one."""

import tomllib
import unittest
from pathlib import Path

from .processes import StackError
from .redrive import OUTPUTS
from .stack import FROM_FUNCTIONS, QUEUES, parameters
from .template import Queue, Template

ROOT = Path(__file__).resolve().parent.parent

SMALL = """
Parameters:
  Allowed: {Type: String}
  Days: {Type: Number, Default: 90}
  Batch: {Type: Number, Default: 5}
Conditions:
  Everybody: !Equals [!Ref Allowed, any]
  Somebody: !Not [!Condition Everybody]
  Both: !And [!Condition Everybody, !Condition Somebody]
  Either: !Or [!Condition Everybody, !Condition Somebody]
Globals:
  Function:
    MemorySize: 256
    Environment:
      Variables:
        ALLOWED: !Ref Allowed
        OVERRIDDEN: globally
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Metadata:
      BuildProperties: {Binary: hello}
    Properties:
      Environment:
        Variables:
          OVERRIDDEN: locally
          DAYS: !Ref Days
          NAME: !Sub '${AWS::StackName}-${Jobs.QueueName}-${!Literal}'
          NAMED: !Sub ['${Jobs}/${Own}', {Own: !Ref Days}]
          JOINED: !Join [':', [!GetAtt Jobs.Arn, !Ref 'AWS::Region']]
          CHOSEN: !If [Somebody, !Ref Jobs, nobody]
          LEFT_OUT: !If [Either, !Ref 'AWS::NoValue', x]
          BOTH: !If [Both, x, neither]
      Events:
        Get: {Type: HttpApi, Properties: {Path: /hello, Method: ANY}}
        Queue: {Type: SQS, Properties: {Queue: !GetAtt Jobs.Arn, BatchSize: !Ref Batch}}
  Jobs:
    Type: AWS::SQS::Queue
  Unwanted:
    Type: AWS::SQS::Queue
    Condition: Everybody
"""


def small(**given: str) -> Template:
    """The small template with its queue created."""
    template = Template(SMALL, {"Allowed": "me", **given})
    template.created("Jobs", "http://queue", Arn="arn:jobs", QueueName="jobs")
    return template


class SmallTemplate(unittest.TestCase):
    """Every expression that the reader knows."""

    def test_environment_is_resolved(self) -> None:
        (function,) = small().functions()
        self.assertEqual(
            function.environment,
            {
                "ALLOWED": "me",
                "OVERRIDDEN": "locally",
                "DAYS": "90",
                "NAME": "ringback-local-jobs-${Literal}",
                "NAMED": "http://queue/90",
                "JOINED": "arn:jobs:us-east-1",
                "CHOSEN": "http://queue",
                "BOTH": "neither",
            },
        )

    def test_function_has_the_name_of_its_binary_and_only_http_routes(self) -> None:
        template = small()
        (function,) = template.functions()
        self.assertEqual((function.name, function.routes, function.memory), ("hello", ["/hello"], "256"))
        self.assertEqual(template.routes(), {"/hello": "hello"})

    def test_a_functions_queues_are_those_of_its_events(self) -> None:
        (function,) = small().functions()
        self.assertEqual(function.queues, (Queue("arn:jobs", 5, False),))

    def test_a_false_condition_takes_a_resource_away(self) -> None:
        self.assertEqual(list(small().resources("AWS::SQS::Queue")), ["Jobs"])
        self.assertEqual(list(small(Allowed="any").resources("AWS::SQS::Queue")), ["Jobs", "Unwanted"])

    def test_what_is_missing_is_named(self) -> None:
        with self.assertRaisesRegex(StackError, "Allowed"):
            Template(SMALL, {})
        with self.assertRaisesRegex(StackError, "Nobody"):
            small().resolve({"Fn::Sub": "${Nobody.Arn}"})
        with self.assertRaisesRegex(StackError, "TopicName of Jobs"):
            small().resolve({"Fn::GetAtt": ["Jobs", "TopicName"]})
        with self.assertRaisesRegex(StackError, "Fn::Cidr"):
            small().resolve({"Fn::Cidr": []})


class RealTemplate(unittest.TestCase):
    """template.yaml and what must agree with it."""

    def setUp(self) -> None:
        self.template = Template.read(ROOT / "template.yaml", parameters())
        for kind in ("AWS::DynamoDB::Table", "AWS::SNS::Topic", "AWS::SQS::Queue"):
            for name in self.template.resources(kind):
                self.template.created(name, name, Arn=f"arn:{name}")

    def test_the_routers_routes_are_those_of_the_template(self) -> None:
        manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
        router = manifest["workspace"]["metadata"]["lambda"]["watch"]["router"]
        self.assertEqual(router, self.template.routes())

    def test_every_path_takes_any_method(self) -> None:
        for properties in self.template.resources("AWS::Serverless::Function").values():
            for event in properties.get("Events", {}).values():
                if event["Type"] == "HttpApi":
                    self.assertEqual(event["Properties"]["Method"], "ANY")

    def test_replay_is_fed_from_the_spool_and_has_no_route(self) -> None:
        (replay,) = [function for function in self.template.functions() if function.name == "replay"]
        self.assertEqual((replay.routes, replay.queues), ([], (Queue("arn:SpoolQueue", 10, True),)))

    def test_what_stack_env_and_make_replay_look_for_is_there(self) -> None:
        self.assertLessEqual(set(QUEUES.values()), set(self.template.resources("AWS::SQS::Queue")))
        self.assertLessEqual(set(OUTPUTS), set(self.template.outputs()))

    def test_every_function_counts_in_the_namespace_of_its_stack(self) -> None:
        namespaces = {function.environment["METRICS_NAMESPACE"] for function in self.template.functions()}
        self.assertEqual(namespaces, {"Ringback/ringback-local"})

    def test_the_functions_are_given_what_stack_env_promises(self) -> None:
        given = {name for function in self.template.functions() for name in function.environment}
        self.assertLessEqual(set(FROM_FUNCTIONS), given)
