"""Where the document lies, and how it is written."""

import json
from pathlib import Path
from typing import Any

import yaml

from openapi.schemas import Json

ROOT = Path(__file__).parents[1]
FOR_PEOPLE = ROOT / "docs" / "openapi.yaml"
SERVED = ROOT / "lambda" / "proxy" / "openapi.json"

_HEAD = "# Written by `make openapi` out of the code: do not edit.\n"


class _Dumper(yaml.SafeDumper):
    """Without anchors, and with paragraphs as blocks."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  yaml's
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def as_yaml(document: Json) -> str:
    return _HEAD + yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def as_json(document: Json) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
