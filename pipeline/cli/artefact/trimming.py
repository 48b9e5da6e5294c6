"""What of a distribution goes into a package: what code needs to run, and its licences.

The rules know a little of three distributions, each with its reason. The packages are run by a
test, whole functions at a time, so a rule that takes too much fails there.
"""

import gzip
import json
import re
from collections.abc import Collection, Iterator
from typing import Any, Final

from pipeline.cli.artefact.distributions import Distribution

_NEVER: Final = re.compile(
    r"""
    \.(?:c|h|pxd|pyi|pyx)$ | /py\.typed$ | ^[^/]+-stubs/     # for compilers and type checkers
    | \.data/                                               # scripts for a command line
    | \.dist-info/(?!METADATA$|licenses/|LICENSE|NOTICE)    # scanners find the version in METADATA
    | ^boto3/(?:data|examples)/                             # for boto3.resource, which is not used
    | ^botocore/data/.*/examples-1\.json$
    """,
    re.VERBOSE,
)

_PILLOW_UNUSED: Final = re.compile(
    r"""
    ^PIL/_(?:avif|imagingft|imagingtk)\.                     # AVIF, fonts, windows
    | ^pillow\.libs/lib(?:avif|freetype|harfbuzz|brotlicommon|brotlidec|png16)-
    """,
    re.VERBOSE,
)

MODULE_BY_MODULE: Final = frozenset({"aws-lambda-powertools"})
"""Distributions of which only the modules that are reached go along.

Those that load modules by a name made at run time, as boto3, botocore and Pillow do, go whole.
"""

_SERVICE_DATA: Final = re.compile(r"botocore/data/([^/]+)/([^/]+)/")


def kept(distribution: Distribution, services: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of the files that go into a package.

    Args:
        distribution: Whose files.
        services: AWS services that the function makes clients of; botocore keeps their models.
    """
    newest = _newest_models(distribution)
    for path, read in distribution.files.items():
        if _NEVER.search(path) or (distribution.name == "pillow" and _PILLOW_UNUSED.match(path)):
            continue
        data = _SERVICE_DATA.match(path)
        if data and (data[1] not in services or data[2] != newest[data[1]]):
            continue
        if path == "botocore/data/endpoints.json":
            yield path, _endpoints_of(read(), services)
        elif path.startswith("botocore/data/") and path.endswith(".json.gz"):
            yield path.removesuffix(".gz"), _plain_model(read())
        else:
            yield path, read()


def _newest_models(distribution: Distribution) -> dict[str, str]:
    found = sorted(
        (match[1], match[2]) for path in distribution.files if (match := _SERVICE_DATA.match(path))
    )
    return dict(found)


def _endpoints_of(content: bytes, services: Collection[str]) -> bytes:
    """Keep the endpoints of some services: every first client parses the whole list.

    Regions and the pattern of all other endpoints stay as they are.
    """
    document = json.loads(content)
    for partition in document["partitions"]:
        listed = partition["services"]
        partition["services"] = {name: listed[name] for name in listed if name in services}
    return json.dumps(document, separators=(",", ":")).encode()


def _plain_model(packed: bytes) -> bytes:
    """Unpack a model and empty its prose, which is most of it and is parsed at each start."""
    model = _without_prose(json.loads(gzip.decompress(packed)))
    return json.dumps(model, separators=(",", ":")).encode()


def _without_prose(node: Any) -> Any:  # noqa: ANN401  any part of a model
    if isinstance(node, list):
        return [_without_prose(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {
        # botocore asks some of its models for the key.
        name: "" if name == "documentation" and isinstance(part, str) else _without_prose(part)
        for name, part in node.items()
    }
