"""A cold start: import and init of the handler beside importing boto3 and creating one client, in the same run.

Each is a fresh interpreter with compiled bytecode, taken in turns; the handler also without any of its own, as the
package that is deployed has none, and where Lambda unpacks it nothing can be written. What counts is the time of the
processor, user and system, less that of an interpreter that does nothing: the clock on the wall counts what other
programs take as well.

What a route needs beyond `POST /generate` is imported by the first request that asks for it. So the same is measured
with a first request, against a model on this machine that answers at once, beside boto3 and one `invoke_endpoint`.

Then what each import costs (`-X importtime`): every package that takes a millisecond or more, and each module of the
proxy's own; and the size of the package that is deployed.

    python -m bench.cold [--runs 15]
"""

import argparse
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from statistics import median

from bench.loopback import LAMBDA, aws, environment
from tests.unit.proxy.fakes import SETTINGS, event

MOST_PACKAGE_BYTES = 2**20
LEAST_MICROSECONDS = 1000
OWN_PACKAGES = ("proxy", "common")
_PEER = "import boto3; client = boto3.Session().client('sagemaker-runtime')"
_BODY = '{"text_inputs": "the light"}'
_PEER_CALLS = f"{_PEER}; client.invoke_endpoint(EndpointName='e', Body={_BODY!r})['Body'].read()"
_OURS = "import proxy.handler"
_FROM_SOURCE = "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, {!r}); import proxy.handler"
_ANSWERS = "import proxy.handler, json, sys; sys.exit(proxy.handler.lambda_handler({!r}, None)['statusCode'] != 200)"
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| ( *)(\S+)")

FIRST_REQUESTS = {
    "POST /generate": event("POST", "/generate", {"text_inputs": "the light"}),
    "POST /v1/chat/completions": event(
        "POST",
        "/v1/chat/completions",
        {"model": SETTINGS.model, "messages": [{"role": "user", "content": "the light"}]},
    ),
    "POST /tasks/describe": event(
        "POST", "/tasks/describe", {"input": "the light"}, resource="/tasks/{task}", pathParameters={"task": "describe"}
    ),
}


def cpu_seconds(code: str, environ: Mapping[str, str]) -> float:
    """What a fresh interpreter takes for `code`, its own start included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def in_turns(codes: Mapping[str, str], runs: int) -> dict[str, list[float]]:
    """Seconds by name, run by run, each less the bare interpreter's of the same turn."""
    taken: dict[str, list[float]] = {name: [] for name in codes}
    with aws() as environ:
        for code in codes.values():
            cpu_seconds(code, environ)  # compiles what is not
        for _ in range(runs):
            bare = cpu_seconds("pass", environ)
            for name, code in codes.items():
                taken[name].append(cpu_seconds(code, environ) - bare)
    return taken


def imports() -> Iterator[tuple[str, int, int]]:
    """Each import of the handler: name, and microseconds by itself and with what it imports."""
    command = [sys.executable, "-X", "importtime", "-c", _OURS]
    told = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stderr
    for own, cumulative, _, name in _IMPORT.findall(told):
        yield name, int(own), int(cumulative)


def by_package(found: Iterable[tuple[str, int, int]]) -> dict[str, tuple[int, int]]:
    """Modules and microseconds by package, each module with its own time only."""
    packages: dict[str, tuple[int, int]] = {}
    for name, own, _ in found:
        package = name.partition(".")[0]
        modules, spent = packages.get(package, (0, 0))
        packages[package] = (modules + 1, spent + own)
    return packages


def costs() -> Iterator[str]:
    """The two tables of what imports cost, the dearest first; what is below `LEAST_MICROSECONDS` is summed up."""
    found = list(imports())
    packages = sorted(by_package(found).items(), key=lambda package: -package[1][1])
    yield "What the imports cost, by package (own time under -X importtime, which slows all; proxy with its init)"
    for name, (modules, spent) in packages:
        if spent >= LEAST_MICROSECONDS:
            yield f"  {name:40}{modules:4} modules{spent / 1000:8.1f} ms"
    others = [spent for _, (_, spent) in packages if spent < LEAST_MICROSECONDS]
    yield f"  {f'{len(others)} others':52}{sum(others) / 1000:8.1f} ms"
    yield "\nThe proxy's own modules, by themselves and with what they import first (the handler with its init)"
    for name, own, cumulative in sorted(found, key=lambda module: -module[1]):
        if name.partition(".")[0] in OWN_PACKAGES:
            yield f"  {name:40}{own / 1000:10.1f} ms{cumulative / 1000:10.1f} ms"


def package_bytes() -> int:
    """The size of the zipped asset, as `cdk deploy` makes it."""
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(LAMBDA.rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    archive.write(path, path.relative_to(LAMBDA))
        return file.tell()


def table(taken: Mapping[str, list[float]], peer: str) -> Iterator[str]:
    """A row each; a ratio is the median of those of each turn."""
    yield f"  {'':52}{'processor':>12}{'ratio':>9}"
    for name, times in taken.items():
        ratio = median(own / other for own, other in zip(times, taken[peer], strict=True))
        yield f"  {name:52}{median(times) * 1000:9.0f} ms{ratio:7.2f} ×"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    init, first = "boto3 and one client", "boto3, one client and one invoke_endpoint"
    print(f"Import and init, {runs} turns")
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(LAMBDA, copy, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        ours = {"the handler, ready for its first request": _OURS}
        ours["the same with its own code from source"] = _FROM_SOURCE.format(copy)
        print(*table(in_turns({init: _PEER, **ours}, runs), init), sep="\n")
    print(f"\nImport, init and a first request, {runs} turns")
    requests = {f"the handler and a first {name}": _ANSWERS.format(sent) for name, sent in FIRST_REQUESTS.items()}
    print(*table(in_turns({first: _PEER_CALLS, **requests}, runs), first), sep="\n")
    print("", *costs(), sep="\n")
    print(f"\nThe package, zipped: {package_bytes() / 1024:.0f} KiB of {MOST_PACKAGE_BYTES // 1024} KiB")


if __name__ == "__main__":
    main()
