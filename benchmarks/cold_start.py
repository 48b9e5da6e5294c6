"""What a function's cold start costs, against one boto3 client.

Packs each function of the template with the libraries that are installed here, and starts each
package in fresh processes, in turns with the unit.
"""

import platform
import tempfile
from pathlib import Path

from pipeline.cli.artefact.budgets import MAX_START_RATIO
from pipeline.cli.artefact.cold_start import can_start, cold_starts
from pipeline.cli.artefact.distributions import architecture_here, installed
from pipeline.cli.artefact.package import Packer, write
from pipeline.cli.artefact.stack_template import handlers

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Measure all functions and print each with the goal."""
    architecture = architecture_here(platform.machine())
    if architecture is None or not can_start(architecture):
        print("cold starts are measured on Linux with the functions' version of CPython")
        return
    packer = Packer(ROOT, installed(ROOT / "requirements" / "lambda.txt"))
    with tempfile.TemporaryDirectory() as folder:
        packages = [
            write(packer.contents(handler), name, Path(folder))
            for name, handler in handlers(ROOT / "template.yaml").items()
        ]
        for name, start in cold_starts(packages).items():
            verdict = "met" if start.ratio <= MAX_START_RATIO else "MISSED"
            print(
                f"cold start of {name}: {start.cpu_ms:.0f} ms of CPU, {start.ratio:.2f} times "
                f'boto3.client("dynamodb"), goal at most {MAX_START_RATIO}: {verdict}'
            )


if __name__ == "__main__":
    main()
