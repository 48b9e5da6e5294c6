import gzip
import json
from functools import partial

from pipeline.cli.artefact.distributions import Distribution
from pipeline.cli.artefact.trimming import kept

MODEL = {
    "documentation": "<p>Prose</p>",
    "shapes": {"Page": {"members": {"documentation": {"shape": "Text", "documentation": "More"}}}},
}


def distribution(name: str, **contents: bytes) -> Distribution:
    return Distribution(name, {path: partial(bytes, content) for path, content in contents.items()})


def test_of_botocore_only_the_models_of_used_services_go_along_newest_and_without_prose() -> None:
    packed = gzip.compress(json.dumps(MODEL).encode())
    botocore = distribution(
        "botocore",
        **{
            "botocore/client.py": b"",
            "botocore/data/endpoints.json": (
                b'{"partitions": [{"regions": {"r": {}}, "services": {"s3": {}, "ec2": {}}}]}'
            ),
            "botocore/data/s3/2006-03-01/service-2.json.gz": packed,
            "botocore/data/s3/2006-03-01/examples-1.json": b"{}",
            "botocore/data/s3/2005-01-01/service-2.json.gz": packed,
            "botocore/data/ec2/2016-11-15/service-2.json.gz": packed,
        },
    )

    files = dict(kept(botocore, {"s3"}))

    assert files == {
        "botocore/client.py": b"",
        "botocore/data/endpoints.json": (
            b'{"partitions":[{"regions":{"r":{}},"services":{"s3":{}}}]}'
        ),
        "botocore/data/s3/2006-03-01/service-2.json": (
            b'{"documentation":"","shapes":{"Page":{"members":'
            b'{"documentation":{"shape":"Text","documentation":""}}}}}'
        ),
    }


def test_types_headers_and_scripts_stay_behind_licences_and_the_version_go_along() -> None:
    library = distribution(
        "library",
        **{
            "library/__init__.py": b"",
            "library/__init__.pyi": b"",
            "library/py.typed": b"",
            "library/_core.c": b"",
            "library-stubs/__init__.py": b"",
            "library-1.0.data/scripts/tool": b"",
            "library-1.0.dist-info/METADATA": b"",
            "library-1.0.dist-info/RECORD": b"",
            "library-1.0.dist-info/licenses/LICENSE": b"",
        },
    )

    paths = [path for path, _ in kept(library, ())]

    assert paths == [
        "library/__init__.py",
        "library-1.0.dist-info/METADATA",
        "library-1.0.dist-info/licenses/LICENSE",
    ]


def test_pillow_goes_without_fonts_and_avif() -> None:
    pillow = distribution(
        "pillow",
        **{
            "PIL/_imaging.cpython-313-aarch64-linux-gnu.so": b"",
            "PIL/_imagingft.cpython-313-aarch64-linux-gnu.so": b"",
            "PIL/_avif.cpython-313-aarch64-linux-gnu.so": b"",
            "pillow.libs/libjpeg-8.so": b"",
            "pillow.libs/libfreetype-6.so": b"",
        },
    )

    paths = [path for path, _ in kept(pillow, ())]

    assert paths == ["PIL/_imaging.cpython-313-aarch64-linux-gnu.so", "pillow.libs/libjpeg-8.so"]
