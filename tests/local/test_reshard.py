"""A stream that is resharded while a function reads it, from put to handler."""

from pathlib import Path

from pipeline.local.endpoint import Endpoint
from pipeline.local.lambda_service import LambdaSettings
from pipeline.local.run import LocalRun

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Stream:
    Type: AWS::Kinesis::Stream
    Properties:
      ShardCount: 2
  Noter:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      CodeUri: .
      Handler: noter.handler
      Role: arn:aws:iam::123456789012:role/functions
      Environment: {Variables: {NOTES: NOTES_FILE}}
      Events:
        Stream:
          Type: Kinesis
          Properties:
            Stream: !GetAtt Stream.Arn
            StartingPosition: TRIM_HORIZON
            BatchSize: 7
"""

# One write per invocation: several workers append to the file at once.
NOTER = """
import base64, os

def handler(event, context):
    lines = [
        r["kinesis"]["partitionKey"] + " " + base64.b64decode(r["kinesis"]["data"]).decode()
        for r in event["Records"]
    ]
    notes = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(notes, ("\\n".join(lines) + "\\n").encode())
    os.close(notes)
"""

KEYS = [f"key-{number}" for number in range(8)]
ROUNDS = 3
ROUND = 20


def test_every_key_is_read_in_order_across_splits_and_merges(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    (tmp_path / "noter.py").write_text(NOTER)
    template = tmp_path / "template.yaml"
    template.write_text(TEMPLATE.replace("NOTES_FILE", str(notes)))
    client = endpoint.client("kinesis")
    counts = iter([3, 2, 4])

    with LocalRun(
        template,
        directory=tmp_path / "run",
        stack_name="reshard",
        endpoint=Endpoint(endpoint.url),  # a run stops the endpoint that is its own
        settings=LambdaSettings(poll_interval_s=0.02, stop_grace_s=0),
    ) as run:
        stream = run.deployment.physical_ids["Stream"]
        for round_number in range(ROUNDS):
            client.put_records(
                StreamName=stream,
                Records=[
                    {"Data": str(round_number * ROUND + number).encode(), "PartitionKey": key}
                    for number in range(ROUND)
                    for key in KEYS
                ],
            )
            client.update_shard_count(
                StreamName=stream, TargetShardCount=next(counts), ScalingType="UNIFORM_SCALING"
            )
        run.wait_until_drained(60)

    read: dict[str, list[int]] = {key: [] for key in KEYS}
    for line in notes.read_text().splitlines():
        key, number = line.split()
        read[key].append(int(number))
    assert read == {key: list(range(ROUNDS * ROUND)) for key in KEYS}
