"""The layout holds: template functions, consumers, flows and tests name each other."""

import re
from pathlib import Path

import pytest

from pipeline.local.translate import load_template

ROOT = Path(__file__).resolve().parent.parent

MAX_LINES = {"consumers": 60, "pipeline": 400, "tests": 500, "benchmarks": 400}


def _handlers() -> dict[str, str]:
    """Map each function's logical id in the template to its `Handler:`."""
    template = load_template(ROOT / "template.yaml")
    return {
        logical_id: resource["Properties"]["Handler"]
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def _modules(package: str) -> set[str]:
    return {
        path.relative_to(ROOT).with_suffix("").as_posix()
        for path in (ROOT / package).rglob("*.py")
        if path.stem not in {"__init__", "__main__"}
    }


def _snake_case(logical_id: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", logical_id.removesuffix("Function")).lower()


def test_the_template_has_functions() -> None:
    assert len(_handlers()) >= 2


def test_each_function_names_the_consumer_that_its_logical_id_says() -> None:
    handlers = _handlers()

    expected = {name: f"consumers.{_snake_case(name)}.handler" for name in handlers}

    assert handlers == expected


def test_each_consumer_is_the_handler_of_one_function() -> None:
    handlers = sorted(_handlers().values())

    consumers = sorted(module.replace("/", ".") + ".handler" for module in _modules("consumers"))

    assert handlers == consumers


def test_consumers_and_flows_name_each_other() -> None:
    flows = {
        path.stem
        for path in (ROOT / "pipeline" / "flows").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    } - {"__init__"}

    named = {_flow(module) for module in _modules("consumers")}

    assert named == flows


def test_each_consumer_imports_the_flow_of_its_name() -> None:
    strangers = [
        module
        for module in _modules("consumers")
        if not re.search(
            rf"from pipeline\.flows(\.{_flow(module)}\b.* import | import .*\b{_flow(module)}\b)",
            (ROOT / f"{module}.py").read_text(),
        )
    ]

    assert strangers == []


def test_unit_tests_mirror_the_modules() -> None:
    modules = _modules("pipeline")

    strays = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "tests" / "unit").rglob("test_*.py"))
        if not _mirrored(path, modules)
    ]

    assert strays == []


@pytest.mark.parametrize("package", MAX_LINES)
def test_no_module_is_longer_than_one_can_read(package: str) -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines())
        for path in (ROOT / package).rglob("*.py")
    }

    too_long = {name: lines for name, lines in lengths.items() if lines > MAX_LINES[package]}

    assert too_long == {}


@pytest.mark.parametrize("package", ["consumers", "pipeline"])
def test_init_files_stay_empty(package: str) -> None:
    filled = [path for path in (ROOT / package).rglob("__init__.py") if path.read_text().strip()]

    assert filled == []


@pytest.mark.parametrize("smaller", ["run.txt", "lambda.txt"])
def test_the_smaller_requirement_files_pin_what_the_tests_run_on(smaller: str) -> None:
    pins = _pins(smaller)

    unlike = pins - _pins("dev.txt")

    assert pins
    assert unlike == set()


def _flow(consumer: str) -> str:
    """Return the flow that a consumer's name gives: `kinesis_events` is of `events`."""
    return consumer.rpartition("/")[2].partition("_")[2]


def _mirrored(test: Path, modules: set[str]) -> bool:
    """Accept `test_x.py` and `test_x_aspect.py` beside a module `x`."""
    folder = test.parent.relative_to(ROOT / "tests" / "unit").as_posix()
    stem = test.stem.removeprefix("test_")
    home = "pipeline" if folder == "." else f"pipeline/{folder}"
    return any(
        f"{home}/{stem}" == module or f"{home}/{stem}".startswith(f"{module}_")
        for module in modules
    )


def _pins(name: str) -> set[str]:
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return {line.split()[0] for line in lines if re.match(r"[a-z0-9-]+==", line)}
