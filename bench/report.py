"""Run every benchmark and write what it printed to docs/benchmarks.md, with the machine, the date and the versions.

make bench
"""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
WRITTEN = ROOT / "docs" / "benchmarks.md"
BENCHMARKS = {
    "bench.proxy": "The proxy's own time",
    "bench.beside": "Beside LiteLLM's proxy and a bare call",
    "bench.authorizer": "What the authorizer adds",
    "bench.cold": "A cold start",
    "bench.overload": "An overload, in simulated time",
}


def machine() -> str:
    """The processor and what it shares its time with, as far as Linux tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = {line.partition(": ")[2] for line in lines if line.startswith("model name")}
    load = f"{os.getloadavg()[0]:.1f}"
    return f"{', '.join(models) or platform.machine()}, {os.cpu_count()} cores, load {load} when it began"


def parts() -> Iterator[str]:
    software = ", ".join(f"{name} {version(name)}" for name in ("boto3", "ministack"))
    peer = (ROOT / "bench" / "requirements-litellm.txt").read_text().split()[-1]
    yield f"# Benchmarks\n\nWritten by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {machine()}; "
    yield f"Python {platform.python_version()}, {software}, {peer}. Ratios of one run say more than milliseconds.\n"
    for module, title in BENCHMARKS.items():
        print(f"{title} …", flush=True)
        command = [sys.executable, "-m", module]
        printed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
        print(printed)
        about = (ROOT / f"{module.replace('.', '/')}.py").read_text().split('"""')[1].partition("\n    python")[0]
        yield f"\n## {title}\n\n{about.strip()}\n\n```\n{printed.strip(chr(10))}\n```\n"


def main() -> None:
    WRITTEN.write_text("".join(parts()), encoding="utf-8")


if __name__ == "__main__":
    main()
