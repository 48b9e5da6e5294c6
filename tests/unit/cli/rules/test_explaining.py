from pipeline.cli.rules.explaining import RULES_OF
from pipeline.detection.detector import detectors, pooled_detectors
from pipeline.detection.rules import default_rules


def test_every_detector_of_the_stream_is_explained_by_rules_that_exist() -> None:
    rules = default_rules()

    readers = {one.name for one in detectors(rules)}
    readers |= {one.name for one in pooled_detectors(rules)}

    assert set(RULES_OF) == readers
    assert {rule_id for own in RULES_OF.values() for rule_id in own} <= set(rules.texts())
