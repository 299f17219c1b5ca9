"""A generation, answered over whichever contract the model has."""

from typing import NamedTuple

from proxy.ask import ask
from proxy.contracts.contract import Contract
from proxy.errors import BadModelAnswer
from proxy.generation import Generation
from proxy.invocations import Invocations
from proxy.strict_json import JsonObject
from proxy.timing import Deadline
from proxy.trim import trim
from proxy.window import Window


class Model(NamedTuple):
    """What a generation is sent to, and in what time."""

    contract: Contract
    invocations: Invocations
    window: Window | None
    deadline: Deadline

    def answer(self, generation: Generation) -> list[str]:
        return answered(generation, contract=self.contract, invocations=self.invocations)


def answered(generation: Generation, *, contract: Contract, invocations: Invocations) -> list[str]:
    """The generated texts, input by input, `num_return_sequences` of them for each.

    All is checked before the first invocation; several invocations run one after the other.
    """
    bodies = contract.requests(generation)
    each, beams = generation.texts_expected // len(bodies), int(generation.parameters.get("num_beams", 1))
    texts = [text for body in bodies for text in _texts(contract, invocations, body, each, beams)]
    if generation.trim_at is None:
        return texts
    return [trim(text, generation.trim_at) for text in texts]


def _texts(contract: Contract, invocations: Invocations, body: JsonObject, expected: int, beams: int) -> list[str]:
    texts = contract.texts(ask(contract, invocations, body, texts=expected * beams))
    if len(texts) != expected:
        raise BadModelAnswer(f"The model's answer has {len(texts)} texts, but {expected} were asked for.")
    return texts
