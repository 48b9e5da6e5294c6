from pathlib import Path

from pipeline.metrics import Metric

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"


def test_the_document_is_the_list() -> None:
    table = [
        f"| `{metric.title}` | {metric.unit} | {', '.join(f'`{name}`' for name in metric.services)}"
        f" | {metric.meaning} |"
        for metric in Metric
    ]

    documented = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]

    assert documented == table


def test_each_name_is_one_that_cloudwatch_takes_and_stands_once() -> None:
    titles = [metric.title for metric in Metric]

    assert len(set(titles)) == len(titles)
    assert [title for title in titles if not (title.isascii() and title.isalnum())] == []
