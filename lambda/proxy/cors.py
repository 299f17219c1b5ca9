"""Which web pages may read the proxy's answers; a preflight request never gets here."""

import json
from collections.abc import Collection, Mapping


def origins_of(environ: Mapping[str, str]) -> frozenset[str]:
    """The configured origins, "*" for every one. What cannot be read allows none."""
    try:
        return frozenset(json.loads(environ["CORS_ORIGINS"]))
    except (KeyError, ValueError, TypeError):
        return frozenset()


def cors_headers(event: object, origins: Collection[str]) -> dict[str, str]:
    """What lets a page of an allowed origin read the answer; credentials, which are cookies, are never allowed."""
    if not origins:
        return {}
    varying = {"Vary": "Origin"}
    origin = "*" if "*" in origins else _origin(event)
    if origin not in origins:
        return varying
    return varying | {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": "*"}


def _origin(event: object) -> str:
    headers = event.get("headers") if isinstance(event, Mapping) else None
    if not isinstance(headers, Mapping):
        return ""
    found = [value for name, value in headers.items() if isinstance(name, str) and name.lower() == "origin"]
    return found[0] if len(found) == 1 and isinstance(found[0], str) else ""
