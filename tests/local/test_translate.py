from pathlib import Path

import pytest

from pipeline.local.intrinsics import TemplateError
from pipeline.local.translate import load_template, translate

PARAMETERS = """
Parameters:
  Environment: { Type: String, Default: dev, AllowedValues: [dev, prod] }
  Shards: { Type: Number, Default: 2, MinValue: 1, MaxValue: 9 }
  Names: { Type: CommaDelimitedList, Default: "a, b" }
  Email: { Type: String, AllowedPattern: "[^@]+@[^@]+" }
Resources: {}
"""
FUNCTION = """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: { CodeUri: ., Runtime: python3.13 }
Resources:
  Stream: { Type: AWS::Kinesis::Stream }
  Role: { Type: AWS::IAM::Role }
  Here:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Role: !GetAtt Role.Arn
      Events:
        Records:
          Type: Kinesis
          Properties: { Stream: !GetAtt Stream.Arn, StartingPosition: LATEST }
  There:
    Type: AWS::Serverless::Function
    Properties: { Handler: app.handler, Role: !GetAtt Role.Arn, CodeUri: ./built/ }
"""


def write(directory: Path, text: str) -> Path:
    path = directory / "template.yaml"
    path.write_text(text)
    return path


FILES = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Layer:
    Type: AWS::Serverless::LayerVersion
    Properties: { ContentUri: ./layer }
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties: { Role: "arn:aws:iam::123456789012:role/m", DefinitionUri: machine.asl.json }
  Api:
    Type: AWS::Serverless::HttpApi
    Properties: { DefinitionUri: api.yaml }
  Nested:
    Type: AWS::Serverless::Application
    Properties: { Location: nested/template.yaml }
"""


def test_files_that_sam_package_would_upload_are_no_obstacle(tmp_path: Path) -> None:
    resources = translate(write(tmp_path, FILES), {}, region="eu-central-1").template["Resources"]

    kinds = {body["Type"] for body in resources.values()}
    assert {
        "AWS::ApiGatewayV2::Api",
        "AWS::CloudFormation::Stack",
        "AWS::Lambda::LayerVersion",
        "AWS::StepFunctions::StateMachine",
    } <= kinds


def test_short_tags_become_long_functions(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        Resources:
          Thing:
            Version: 2012-10-17
            A: !Ref X
            B: !GetAtt X.Arn
            C: !GetAtt [X, Arn]
            D: !If [Chosen, !Sub "${X}", !Join ["-", [a]]]
            E: !Condition Chosen
            F: !Transform { Name: Include }
        """,
    )

    thing = load_template(path)["Resources"]["Thing"]

    assert thing == {
        "Version": "2012-10-17",
        "A": {"Ref": "X"},
        "B": {"Fn::GetAtt": ["X", "Arn"]},
        "C": {"Fn::GetAtt": ["X", "Arn"]},
        "D": {"Fn::If": ["Chosen", {"Fn::Sub": "${X}"}, {"Fn::Join": ["-", ["a"]]}]},
        "E": {"Condition": "Chosen"},
        "F": {"Fn::Transform": {"Name": "Include"}},
    }


def test_parameters_take_defaults_and_given_values(tmp_path: Path) -> None:
    path = write(tmp_path, PARAMETERS)

    translation = translate(path, {"Email": "a@b", "Shards": "3"}, region="us-east-1")

    assert translation.parameters == {
        "Environment": "dev",
        "Shards": "3",
        "Names": ["a", "b"],
        "Email": "a@b",
    }


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "parameters without a default need a value: Email"),
        ({"Email": "a@b", "Colour": "red"}, "no such parameters: Colour"),
        ({"Email": "nobody"}, r"Parameters\.Email: 'nobody' does not match"),
        ({"Email": "a@b", "Environment": "test"}, "'test' is not one of dev, prod"),
        ({"Email": "a@b", "Shards": "0"}, "0 is below 1"),
        ({"Email": "a@b", "Shards": "10"}, "10 is above 9"),
        ({"Email": "a@b", "Shards": "many"}, "'many' is not a number"),
    ],
)
def test_a_wrong_parameter_is_refused(
    tmp_path: Path, parameters: dict[str, str], message: str
) -> None:
    path = write(tmp_path, PARAMETERS)

    with pytest.raises(TemplateError, match=message):
        translate(path, parameters, region="us-east-1")


def test_sam_functions_become_plain_resources_and_their_code_stays(tmp_path: Path) -> None:
    (tmp_path / "built").mkdir()
    path = write(tmp_path, FUNCTION)

    translation = translate(path, {}, region="us-east-1")

    types = {name: body["Type"] for name, body in translation.template["Resources"].items()}
    assert types == {
        "Stream": "AWS::Kinesis::Stream",
        "Role": "AWS::IAM::Role",
        "Here": "AWS::Lambda::Function",
        "HereRecords": "AWS::Lambda::EventSourceMapping",
        "There": "AWS::Lambda::Function",
    }
    assert translation.code_directories == {
        "Here": tmp_path.resolve(),
        "There": (tmp_path / "built").resolve(),
    }


def test_translating_writes_nothing_on_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "built").mkdir()

    translate(write(tmp_path, FUNCTION), {}, region="us-east-1")

    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Resources: [", "cannot read the template"),
        ("Description: nothing", "it has no Resources"),
        (
            "{Transform: AWS::LanguageExtensions, Resources: {}}",
            "does not know the transform 'AWS::LanguageExtensions'",
        ),
        (FUNCTION, "there is no code directory .*built"),
        (
            FUNCTION.replace("./built/", "s3://bucket/key"),
            "needs a code directory, not 's3://bucket/key'",
        ),
        (
            FUNCTION.replace("Handler: app.handler, Role", "Colour: red, Role").replace(
                "./built/", "."
            ),
            "SAM transform refuses the template: .*There",
        ),
    ],
)
def test_a_template_that_cannot_be_used_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        translate(write(tmp_path, text), {}, region="us-east-1")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"nowhere\.yaml"):
        load_template(tmp_path / "nowhere.yaml")
