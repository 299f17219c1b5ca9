"""The headers that a caller may send, and those that come back."""

from collections.abc import Iterable, Mapping

from proxy.idempotency import HEADER, KEPT_SECONDS, KEY_PATTERN, RESERVE_SECONDS
from proxy.retry import MIN_ATTEMPT_SECONDS
from proxy.timing import LOOK_SECONDS, MAX_TIMEOUT_MS, TIMEOUT_HEADER, least_timeout_ms

from openapi.schemas import COUNT, STRING, Json, one_of


def _timeout(work_seconds: float) -> Json:
    return {
        "name": TIMEOUT_HEADER,
        "in": "header",
        "description": "Milliseconds in which the caller wants an answer; it shortens the stage's own limit only. "
        f"Beside an Idempotency-Key {RESERVE_SECONDS:.0f} s more than the minimum, in which its answer is kept.",
        "schema": {
            "type": "integer",
            "minimum": least_timeout_ms(work_seconds),
            "maximum": MAX_TIMEOUT_MS,
        },
    }


TIMEOUTS: Mapping[float, str] = {0: "RequestTimeout", LOOK_SECONDS: "LookTimeout", MIN_ATTEMPT_SECONDS: "ModelTimeout"}
"""The parameter's component, by what its route needs (`proxy.app.WORK_SECONDS`)."""

PARAMETERS: dict[str, Json] = {
    **{component: _timeout(work_seconds) for work_seconds, component in TIMEOUTS.items()},
    "IdempotencyKey": {
        "name": HEADER,
        "in": "header",
        "description": f"The same key and request within {KEPT_SECONDS // 60} minutes get the first one's answer.",
        "schema": {"type": "string", "pattern": f"^{KEY_PATTERN}$"},
    },
    "LinkToken": {
        "name": "token",
        "in": "query",
        "required": True,
        "description": "Signed, good once and for a short time; it comes in a mail.",
        "schema": STRING,
    },
}

_WITH_ALL_OF_THE_PROXY: dict[str, Json] = {
    "x-request-id": {"description": "As in the stage's logs.", "schema": STRING},
    "x-pilotlight-attempts": {"description": "How often the model was called.", "schema": COUNT},
    "x-pilotlight-retries": {"description": "How many of these calls repeated one that failed.", "schema": COUNT},
    "x-pilotlight-elapsed-ms": {"description": "What the proxy took in all, in milliseconds.", "schema": COUNT},
}
_WITH_SOME: dict[str, Json] = {
    "x-pilotlight-budget-ms": {"description": "The milliseconds that it had.", "schema": {"type": "integer"}},
    "x-pilotlight-model-latency-ms": {
        "description": "The last attempt's milliseconds; missing where the model was not called.",
        "schema": COUNT,
    },
    "x-pilotlight-idempotency": {
        "description": "What became of the Idempotency-Key; missing where there was none, or no answer.",
        "schema": one_of(("stored", "not-stored", "replayed")),
    },
}
_OF_REFUSALS: dict[str, Json] = {
    "Retry-After": {
        "description": "Seconds after which to try again; missing where waiting alone does not help.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "x-should-retry": {
        "description": "Whether OpenAI's client is to try again by itself, which it does only where this is true.",
        "schema": one_of(("true", "false")),
    },
}


def headers() -> dict[str, Json]:
    """By component name. Those of every answer of the proxy are missing where API Gateway refuses by itself."""
    always = {_always(name): made | {"required": True} for name, made in _WITH_ALL_OF_THE_PROXY.items()}
    return {**always, **_WITH_ALL_OF_THE_PROXY, **_WITH_SOME, **_OF_REFUSALS}


def header(name: str, component: str = "") -> Json:
    """What says that a response has it, or may."""
    return {name: {"$ref": f"#/components/headers/{component or name}"}}


def of_an_answer() -> Json:
    return _several([header(name, _always(name)) for name in _WITH_ALL_OF_THE_PROXY] + list(map(header, _WITH_SOME)))


def of_a_refusal() -> Json:
    """Of the proxy's; none of them is sure where API Gateway may have refused as well."""
    return _several(map(header, (*_WITH_ALL_OF_THE_PROXY, *_WITH_SOME)))


def _always(name: str) -> str:
    return f"{name}-always"


def _several(made: Iterable[Json]) -> Json:
    return {name: reference for one in made for name, reference in one.items()}
