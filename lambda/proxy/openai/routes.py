"""The routes: a body or a name in, a body out."""

from collections.abc import Sequence

from proxy.contracts.contract import Contract
from proxy.invocations import Invocations
from proxy.openai.asked import MAX_CHAT_OBJECTS, check_chat, check_completions, check_name
from proxy.openai.bodies import chat_body, completion_body, model_body, models_body
from proxy.openai.complete import complete
from proxy.openai.length import fitted
from proxy.openai.template import ChatTemplate
from proxy.strict_json import JsonObject
from proxy.window import Window


class OpenAIRoutes:
    """`models` are the names that a caller may give the one model of the stage; the first is its own.

    `window` is None where the catalog does not know it; then nothing is checked.
    """

    max_chat_objects = MAX_CHAT_OBJECTS

    def __init__(
        self, *, models: Sequence[str], contract: Contract, template: ChatTemplate | None, window: Window | None
    ) -> None:
        self._models = models
        self._contract = contract
        self._template = template
        self._window = window

    def chat(self, fields: JsonObject, invocations: Invocations, *, request_id: str, created: int) -> JsonObject:
        completion = check_chat(fields, models=self._models, template=self._template)
        completion = fitted(completion, self._window, param="messages", mark=self._contract.added_tokens)
        answered = complete([completion], contract=self._contract, invocations=invocations)
        if self._template is not None:
            answered = answered.stripped()  # the space between the template's last label and the answer
        return chat_body(answered, model=self._models[0], request_id=request_id, created=created)

    def completions(self, fields: JsonObject, invocations: Invocations, *, request_id: str, created: int) -> JsonObject:
        completions = check_completions(fields, models=self._models)
        places = [
            f"prompt[{index}]" if isinstance(fields["prompt"], list) else "prompt" for index in range(len(completions))
        ]
        completions = [
            fitted(one, self._window, param=place, mark=self._contract.added_tokens)
            for one, place in zip(completions, places, strict=True)
        ]
        answered = complete(completions, contract=self._contract, invocations=invocations)
        return completion_body(answered, model=self._models[0], request_id=request_id, created=created)

    def models(self) -> JsonObject:
        return models_body(self._models)

    def model(self, name: str) -> JsonObject:
        check_name(name, models=self._models)
        return model_body(name)
