"""JSON to the model and back."""

import json

from proxy.errors import BadModelAnswer
from proxy.invocations import Invocations
from proxy.strict_json import JsonObject


def ask(invocations: Invocations, body: JsonObject) -> object:
    """The model's parsed answer to `body`. Raises BadModelAnswer where it is no JSON."""
    answer = invocations.invoke(json.dumps(body, ensure_ascii=False).encode())
    try:
        return json.loads(answer)
    except (ValueError, RecursionError) as exc:
        raise BadModelAnswer("The model's answer is not JSON.") from exc
