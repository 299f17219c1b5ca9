"""`GET /openapi.json`: what `make openapi` wrote beside this file."""

import json
from functools import cache
from pathlib import Path

from proxy.strict_json import JsonObject

_FILE = Path(__file__).with_name("openapi.json")


@cache
def api_document() -> JsonObject:
    """The document, read when the first request asks for it: a cold start is spared it."""
    document: JsonObject = json.loads(_FILE.read_text(encoding="utf-8"))
    return document
