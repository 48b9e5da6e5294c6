"""Images made to cost memory or to be taken for something else."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.flows.thumbnails.imaging import thumbnails
from pipeline.images import kind_of
from tests.fakes.pictures import animated, encoded, jpeg, picture

ROOT = Path(__file__).resolve().parents[2]
MAX_PEAK_MIB = 256

CORPUS = """
import sys
from pathlib import Path
from pipeline.flows.thumbnails.imaging import thumbnails
from pipeline.images import ImageRefusedError
from tests.fakes.pictures import animated, bomb, profile_bomb, text_bomb

for body in (bomb(), bomb(7_000, 7_000), text_bomb(), profile_bomb(), animated(10_000)):
    try:
        thumbnails(body)
    except ImageRefusedError:
        pass
status = Path("/proc/self/status").read_text().splitlines()
print(next(line for line in status if line.startswith("VmHWM:")).split()[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
def test_no_image_made_to_unfold_takes_much_memory() -> None:
    run = subprocess.run(
        [sys.executable, "-c", CORPUS], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert 0 < int(run.stdout) / 1024 < MAX_PEAK_MIB


def test_of_ten_thousand_frames_one_is_decoded() -> None:
    made = thumbnails(animated(10_000))

    assert [(one.width, one.height, one.content_type) for one in made] == [
        (64, 64, "image/jpeg")
    ] * 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("tail", [b"<script>alert(1)</script>", b"PK\x03\x04", b"%PDF-1.7 /JS"])
def test_what_an_image_is_besides_is_left_behind(kind: str, tail: bytes) -> None:
    body = encoded(picture(), kind) + tail

    made = thumbnails(body)

    assert kind_of(body[:12]) == kind.lower()
    assert [one for one in made if tail in one.body] == []


@pytest.mark.parametrize(
    "head",
    [b"<svg", b"<!DOCTYPE html", b"%PDF-1.7", b"GIF89a", b"BM", b"PK\x03\x04", b"\x00\x00\x01\x00"],
)
def test_what_something_is_decides_not_what_it_holds(head: bytes) -> None:
    assert kind_of((head + jpeg())[:12]) is None
