"""The reader of the transformed template, on a small one."""

import unittest
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from local.processes import StackError

from .transformed import Deployment, refusals

SMALL = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Allowed: {Type: String, Default: '', AllowedPattern: '^[a-z]*$', MaxLength: 8}
  Stage: {Type: String, AllowedValues: [dev, prod], Default: prod}
  Days: {Type: Number, Default: 90, MinValue: 1}
Rules:
  Strict:
    RuleCondition: !Equals [!Ref Stage, prod]
    Assertions:
      - Assert: !Not [!Contains [['', any], !Ref Allowed]]
        AssertDescription: Name somebody.
Conditions:
  Somebody: !Not [!Equals [!Ref Allowed, '']]
  Nobody: !Not [!Condition Somebody]
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Condition: Somebody
    Metadata: {BuildProperties: {Binary: hello}}
    Properties:
      Runtime: provided.al2023
      Handler: bootstrap
      CodeUri: .
      AutoPublishAlias: live
      Environment:
        Variables:
          TOPIC: !Ref Jobs
          TABLE: !Ref Table
          QUEUE: !Ref Queue
          QUEUE_ARN: !GetAtt Queue.Arn
          TEXT: !Sub '${AWS::Region}/${Jobs.TopicName}/${!Literal}'
          JOINED: !Join [':', [!Ref Days, !If [Nobody, nobody, !Ref Allowed]]]
          CHOSEN: !Select [1, !Split [',', 'a,b']]
          LEFT_OUT: !If [Somebody, !Ref 'AWS::NoValue', x]
  Jobs: {Type: AWS::SNS::Topic}
  Table: {Type: AWS::DynamoDB::Table, Properties: {TableName: !Sub '${AWS::StackName}-records'}}
  Queue: {Type: AWS::SQS::Queue, DeletionPolicy: Retain}
Outputs:
  Where: {Value: !GetAtt Hello.Arn, Condition: Somebody}
"""


def small() -> dict[str, Any]:
    """The small template as it is written."""
    source: dict[str, Any] = yaml_parse(SMALL)
    return source


class SmallTemplate(unittest.TestCase):
    """What a deployment of the small template is."""

    def test_expressions_have_values_that_name_their_resources(self) -> None:
        self.assertEqual(
            Deployment(small(), {"Allowed": "me"}).environment("Hello"),
            {
                "TOPIC": "arn:aws:sns:us-east-1:000000000000:Jobs",
                "TABLE": "ringback-local-records",
                "QUEUE": "https://sqs.us-east-1.amazonaws.com/000000000000/Queue",
                "QUEUE_ARN": "arn:aws:sqs:us-east-1:000000000000:Queue",
                "TEXT": "us-east-1/Jobs/${Literal}",
                "JOINED": "90:me",
                "CHOSEN": "b",
            },
        )

    def test_sams_transform_has_made_its_resources(self) -> None:
        deployment = Deployment(small(), {"Allowed": "me"})
        self.assertEqual(deployment.ref("HelloAliaslive"), "arn:aws:lambda:us-east-1:000000000000:function:Hello:live")
        self.assertEqual(deployment.function_of(deployment.ref("HelloAliaslive")), "Hello")
        self.assertEqual(deployment.binaries(), {"hello": "Hello"})
        self.assertEqual(deployment.resources["Queue"].attributes, {"DeletionPolicy": "Retain"})

    def test_a_false_condition_takes_away_resources_and_outputs(self) -> None:
        deployment = Deployment(small(), {})
        self.assertEqual(sorted(deployment.resources), ["Jobs", "Queue", "Table"])
        self.assertEqual(deployment.outputs, {})

    def test_a_reference_to_what_is_not_deployed_is_remembered(self) -> None:
        source = small()
        del source["Outputs"]["Where"]["Condition"]
        self.assertEqual(
            Deployment(source, {}).dangling, ["the output Where names Hello, which this deployment does not have"]
        )

    def test_an_arn_is_said_by_the_name_of_its_resource(self) -> None:
        deployment = Deployment(small(), {})
        self.assertEqual(deployment.said("arn:aws:sns:us-east-1:000000000000:Jobs"), "Jobs")
        self.assertEqual(deployment.said("*"), "*")

    def test_what_sam_refuses_is_said_in_a_line(self) -> None:
        source = small()
        source["Resources"]["Hello"]["Properties"]["Nonsense"] = 1
        with self.assertRaisesRegex(StackError, "Nonsense"):
            Deployment(source, {"Allowed": "me"})

    def test_a_parameter_that_does_not_exist_is_named(self) -> None:
        with self.assertRaisesRegex(StackError, "Alowed"):
            Deployment(small(), {"Alowed": "me"})


class Refusals(unittest.TestCase):
    """What CloudFormation would say of parameters before it begins."""

    def test_good_parameters_are_not_refused(self) -> None:
        self.assertEqual(refusals(small(), {"Allowed": "me"}), [])
        self.assertEqual(refusals(small(), {"Allowed": "any", "Stage": "dev"}), [])

    def test_a_rule_whose_condition_is_true_refuses_with_its_words(self) -> None:
        self.assertEqual(refusals(small(), {"Allowed": "any"}), ["Name somebody."])
        self.assertEqual(refusals(small(), {}), ["Name somebody."])

    def test_the_bounds_of_a_parameter_are_kept(self) -> None:
        self.assertEqual(refusals(small(), {"Allowed": "me", "Stage": "test"}), ["Stage may not be test"])
        self.assertEqual(refusals(small(), {"Allowed": "M"}), ["Allowed must be like ^[a-z]*$"])
        self.assertEqual(len(refusals(small(), {"Allowed": "everybody"})), 1)
        self.assertEqual(len(refusals(small(), {"Allowed": "me", "Days": "0"})), 1)

    def test_a_parameter_without_a_value_is_named(self) -> None:
        source = small()
        del source["Parameters"]["Allowed"]["Default"]
        self.assertEqual(refusals(source, {}), ["Allowed has no value"])
