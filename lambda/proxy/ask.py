"""JSON to the model and back."""

import json

from proxy.contracts.contract import Contract
from proxy.errors import BadModelAnswer
from proxy.invocations import Invocations
from proxy.strict_json import JsonObject
from proxy.tally import NOT_TOLD


def ask(contract: Contract, invocations: Invocations, body: JsonObject, *, texts: int) -> object:
    """The model's parsed answer to `body`, its tokens counted. Raises BadModelAnswer where it is no JSON.

    `texts` is how many the model generates for `body`: each beam is one.
    """
    sent = json.dumps(body, ensure_ascii=False).encode()
    received = invocations.invoke(sent)
    try:
        answer = json.loads(received)
    except (ValueError, RecursionError) as exc:
        invocations.tally.add(sent, received, NOT_TOLD)  # how soon it came tells nothing of the model
        raise BadModelAnswer("The model's answer is not JSON.") from exc
    invocations.count(sent, received, contract.counts(answer), texts=texts)
    return answer
