"""A cold start: import and init of the handler beside importing boto3 and creating one client, in the same run.

Each is a fresh interpreter with compiled bytecode, taken in turns. Then what each import costs (`-X importtime`),
and the size of the package that is deployed.

    python -m bench.cold [--runs 15]
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.unit.proxy.fakes import SETTINGS

LAMBDA = Path(__file__).parents[1] / "lambda"
MOST_PACKAGE_BYTES = 2**20
_TIMED = "import time; started = time.perf_counter(); {}; print(time.perf_counter() - started)"
_PEER = "import boto3; boto3.Session().client('sagemaker-runtime')"
_OURS = "import proxy.handler"
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| ( *)(\S+)")


def environment() -> dict[str, str]:
    """What the function finds in its own, so that all of its init is done."""
    template = SETTINGS.chat_template
    return os.environ | {
        "PYTHONPATH": str(LAMBDA),
        "AWS_LAMBDA_FUNCTION_NAME": "proxy",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "ENDPOINT_NAME": SETTINGS.endpoint_name,
        "ENDPOINT_STACK_NAME": SETTINGS.endpoint_stack_name,
        "MODEL": SETTINGS.model,
        "MODEL_ALIASES": "[]",
        "CONTRACT": SETTINGS.contract,
        "CHAT_TEMPLATE": json.dumps(template.__dict__) if template else "",
        "WAKE_SECONDS": str(SETTINGS.wake_seconds),
        "USD_PER_HOUR": json.dumps(SETTINGS.usd_per_hour),
        "ALWAYS_ON_USD_PER_HOUR": "null",
        "INTEGRATION_TIMEOUT_SECONDS": str(SETTINGS.integration_timeout_seconds),
        "LEDGER_TABLE": SETTINGS.ledger_table,
        "SWITCH_ARN": SETTINGS.switch_arn,
        "IDLE_MINUTES": "60",
        "LIFETIME_HOURS": "12",
        "MONTHLY_BUDGET_USD": "100",
        "WAKE_ON_CALL": "false",
        "IDEMPOTENCY_TABLE": SETTINGS.idempotency_table,
        "WINDOW": "",
    }


def seconds(code: str) -> float:
    """What `code` takes in a fresh interpreter, whose own start does not count."""
    command = [sys.executable, "-c", _TIMED.format(code)]
    return float(subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stdout)


def imports() -> Iterator[tuple[str, int, int]]:
    """Each import of the handler: name, and microseconds by itself and with what it imports."""
    command = [sys.executable, "-X", "importtime", "-c", _OURS]
    told = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stderr
    for own, cumulative, _, name in _IMPORT.findall(told):
        yield name, int(own), int(cumulative)


def by_package() -> dict[str, tuple[int, int]]:
    """Modules and milliseconds by package, each module with its own time only."""
    found: dict[str, tuple[int, int]] = {}
    for name, own, _ in imports():
        package = name.partition(".")[0]
        modules, spent = found.get(package, (0, 0))
        found[package] = (modules + 1, spent + own)
    return found


def package_bytes() -> int:
    """The size of the zipped asset, as `cdk deploy` makes it."""
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(LAMBDA.rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    archive.write(path, path.relative_to(LAMBDA))
        return file.tell()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    seconds(_OURS)  # compiles what is not
    taken = [(seconds(_OURS), seconds(_PEER)) for _ in range(runs)]
    ours, peer = (median(times) for times in zip(*taken, strict=True))
    ratio = median(own / other for own, other in taken)
    print(f"Import and init, median of {runs}")
    print(f"  {'the handler, ready for its first call':52}{ours * 1000:8.0f} ms")
    print(f"  {'boto3 and one client':52}{peer * 1000:8.0f} ms")
    print(f"  {'ratio (median of the pairs)':52}{ratio:8.2f} ×")
    print("\nWhat the imports cost, by package (own time under -X importtime, which slows all)")
    for name, (modules, spent) in sorted(by_package().items(), key=lambda found: -found[1][1])[:14]:
        print(f"  {name:40}{modules:4} modules{spent / 1000:8.1f} ms")
    print(f"\nThe package, zipped: {package_bytes() / 1024:.0f} KiB of {MOST_PACKAGE_BYTES // 1024} KiB")


if __name__ == "__main__":
    main()
