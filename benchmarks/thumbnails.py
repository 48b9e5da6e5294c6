"""Measure what the thumbnails of one image cost, beside the way that a blog makes them.

Both make 1024, 512 and 128 pixel thumbnails of the same seeded photograph. The blog's way opens the
image, and for each size copies it, calls `thumbnail` and saves it. They run in turns within one
process, so that the ratio of their CPU times holds where the times of a machine do not; the median
of the rounds counts. The peak memory is that of a fresh process that makes thumbnails once, of
ours and of the blog's.

Run it with `make bench`.
"""

import argparse
import gc
import io
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from PIL import Image

SIZES: Final = (1024, 512, 128)
SEED: Final = 12
MAX_RATIO: Final = 0.35
MAX_PEAK_MB: Final = 60
OURS: Final = "ours"
NAIVE: Final = "blog"

_MEMORY_PROGRAM: Final = """
import sys
from benchmarks.thumbnails import WAYS, own_peak_mb
from pathlib import Path
WAYS[sys.argv[1]](Path(sys.argv[2]).read_bytes())
print(own_peak_mb())
"""


def ours(body: bytes) -> int:
    """Make thumbnails as the thumbnail flow does; gives the bytes written."""
    from pipeline.flows.thumbnails.imaging import thumbnails  # noqa: PLC0415  not in the other's memory

    return sum(len(made.body) for made in thumbnails(body))


def naive(body: bytes) -> int:
    """Make thumbnails as a blog does; gives the bytes written."""
    image = Image.open(io.BytesIO(body))
    written = 0
    for size in SIZES:
        copy = image.copy()
        copy.thumbnail((size, size), Image.Resampling.LANCZOS)
        sink = io.BytesIO()
        copy.save(sink, "JPEG")
        written += sink.tell()
    return written


WAYS: Final[dict[str, Callable[[bytes], int]]] = {OURS: ours, NAIVE: naive}


@dataclass
class Figures:
    """CPU milliseconds by way and round, and the peak memory of a fresh process in MB by way."""

    cpu_ms: dict[str, list[float]] = field(default_factory=lambda: {way: [] for way in WAYS})
    peak_mb: dict[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios of CPU."""
        return statistics.median(
            ours / other for ours, other in zip(self.cpu_ms[OURS], self.cpu_ms[NAIVE], strict=True)
        )


def photograph(megapixels: float) -> Image.Image:
    """Draw something with the gradients, edges and noise of a photograph, 4 to 3."""
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    height = width * 3 // 4
    source = random.Random(SEED)
    coarse = Image.frombytes("RGB", (32, 24), source.randbytes(32 * 24 * 3))
    fine = Image.frombytes("L", (512, 384), source.randbytes(512 * 384))
    scene = coarse.resize((width, height), Image.Resampling.BICUBIC)
    grain = fine.resize((width, height), Image.Resampling.BILINEAR).convert("RGB")
    return Image.blend(scene, grain, 0.15)


def files(megapixels: float) -> Iterator[tuple[str, bytes]]:
    """Yield the photograph in each format that is taken."""
    picture = photograph(megapixels)
    options = {"JPEG": {"quality": 92}, "PNG": {"compress_level": 1}, "WEBP": {"quality": 85}}
    for kind, chosen in options.items():
        sink = io.BytesIO()
        picture.save(sink, kind, **chosen)
        yield kind, sink.getvalue()


def own_peak_mb() -> float:
    """Return the peak memory of this process since its program began.

    Linux's `getrusage` also counts what the process was before it became this program, which is a
    copy of the benchmark itself; `VmHWM` does not.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def measure(body: bytes, rounds: int) -> Figures:
    """Run both ways in turns, then each once in a process of its own."""
    figures = Figures()
    for way in WAYS.values():
        way(body)
    for _ in range(rounds):
        for name, way in WAYS.items():
            gc.collect()
            began_ns = time.process_time_ns()
            way(body)
            figures.cpu_ms[name].append((time.process_time_ns() - began_ns) / 1e6)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "image"
        path.write_bytes(body)
        figures.peak_mb = {name: _peak_mb(name, path) for name in WAYS}
    return figures


def main(arguments: Sequence[str]) -> None:
    """Print the table and the goals."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megapixels", type=float, default=12.0)
    parser.add_argument("--rounds", type=int, default=9)
    chosen = parser.parse_args(arguments)
    print(
        f"thumbnails of {chosen.megapixels:g} megapixels, medians of {chosen.rounds} rounds; "
        "memory is the peak of a fresh process\n"
    )
    print("image            ours CPU ms  blog CPU ms  ratio  ours peak MB  blog peak MB")
    measured = {}
    for kind, body in files(chosen.megapixels):
        figures = measured[kind] = measure(body, chosen.rounds)
        cpu = {way: statistics.median(rounds) for way, rounds in figures.cpu_ms.items()}
        print(
            f"{kind:4} {len(body) / 1e6:6.1f} MB {cpu[OURS]:13.1f} {cpu[NAIVE]:12.1f} "
            f"{figures.ratio:6.2f} {figures.peak_mb[OURS]:13.1f} {figures.peak_mb[NAIVE]:13.1f}"
        )
    jpeg = measured["JPEG"]
    print()
    print(_verdict(f"JPEG: at most {MAX_RATIO} times the blog's CPU", jpeg.ratio, MAX_RATIO))
    peak_mb = jpeg.peak_mb[OURS]
    print(_verdict(f"JPEG: at most {MAX_PEAK_MB} MB of memory", peak_mb, MAX_PEAK_MB))


def _peak_mb(way: str, path: Path) -> float:
    command = [sys.executable, "-c", _MEMORY_PROGRAM, way, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  our own program
    return float(run.stdout)


def _verdict(goal: str, measured: float, limit: float) -> str:
    return f"goal: {goal:42} measured: {measured:8.2f}   {'met' if measured <= limit else 'MISSED'}"


if __name__ == "__main__":
    main(sys.argv[1:])
