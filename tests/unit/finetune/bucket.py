"""A dataset in memory, read as one in S3 is."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from finetune.asked import Asked
from finetune.dataset import Report, check

PREFIX = "datasets/mine/"
DATASET = f"s3://my-bucket/{PREFIX}"


def jsonl(*rows: object) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def dolly(number: int, **fields: str) -> dict[str, str]:
    return {"instruction": f"Say {number}.", "context": "", "response": f"It is {number}."} | fields


GOOD = jsonl(*(dolly(number) for number in range(10)))


@dataclass
class Bucket:
    """Serves every file in pieces of `chunk_bytes`."""

    files: Mapping[str, bytes]
    chunk_bytes: int = 7

    def list(self, prefix: str) -> Iterable[tuple[str, int]]:
        return [(prefix + name, len(content)) for name, content in self.files.items()]

    def open(self, key: str) -> Iterator[bytes]:
        content = self.files[key.removeprefix(PREFIX)]
        for start in range(0, len(content), self.chunk_bytes):
            yield content[start : start + self.chunk_bytes]


def report_of(files: Mapping[str, bytes], *, chunk_bytes: int = 7, **hyperparameters: Any) -> Report:
    return check(Bucket(files, chunk_bytes), Asked(dataset=DATASET, hyperparameters=hyperparameters))


def problems_of(files: Mapping[str, bytes], **hyperparameters: Any) -> list[str]:
    return [str(problem) for problem in report_of(files, **hyperparameters).problems]
