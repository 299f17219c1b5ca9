"""The bodies of the OpenAI-compatible routes, checked: what is to be completed, and under which model's name."""

from collections.abc import Sequence

from common.shown import shown

from proxy.completion import Completion, Message
from proxy.errors import InvalidParameter, ModelNotFound
from proxy.openai.fields import (
    DEFAULT_CHAT_TOKENS,
    DEFAULT_COMPLETION_TOKENS,
    HONOURED_IN_CHAT,
    HONOURED_IN_COMPLETIONS,
    NEUTRAL_IN_CHAT,
    NEUTRAL_IN_COMPLETIONS,
    check_sampling,
    given_fields,
)
from proxy.openai.messages import MAX_MESSAGES, check_messages, checked_text
from proxy.openai.template import ChatTemplate
from proxy.parameters import MAX_SEQUENCES
from proxy.strict_json import JsonObject

MAX_CHAT_OBJECTS = 3 * MAX_MESSAGES  # a message and a few parts in each


def check_chat(fields: JsonObject, *, models: Sequence[str], template: ChatTemplate | None) -> Completion:
    """What a chat asks for. Without a template the container gets the messages, and applies its own.

    Raises InvalidParameter naming the field at fault, or ModelNotFound.
    """
    given = given_fields(fields, HONOURED_IN_CHAT, NEUTRAL_IN_CHAT)
    _check_model(given, models)
    messages = check_messages(_required(given, "messages"))
    return Completion(
        prompt=_prompt(messages, template),
        sampling=check_sampling(given, default_tokens=DEFAULT_CHAT_TOKENS),
        own_stops=() if template is None else template.stop,
    )


def check_completions(fields: JsonObject, *, models: Sequence[str]) -> list[Completion]:
    """What a text completion asks for, one for each prompt. Prompts reach the model as they are.

    Raises InvalidParameter naming the field at fault, or ModelNotFound.
    """
    given = given_fields(fields, HONOURED_IN_COMPLETIONS, NEUTRAL_IN_COMPLETIONS)
    _check_model(given, models)
    prompts = _prompts(_required(given, "prompt"))
    sampling = check_sampling(given, default_tokens=DEFAULT_COMPLETION_TOKENS)
    if "best_of" in given and (isinstance(given["best_of"], bool) or given["best_of"] != sampling.n):
        raise InvalidParameter(
            f"best_of is {shown(given['best_of'])}, but can only be n, which is {sampling.n}: no model behind this "
            "API ranks its own texts.",
            param="best_of",
        )
    if len(prompts) * sampling.n > MAX_SEQUENCES:
        raise InvalidParameter(
            f"{len(prompts)} prompts with n = {sampling.n} are {len(prompts) * sampling.n} texts, but one request may "
            f"ask for {MAX_SEQUENCES}: send fewer prompts at once.",
            param="prompt",
        )
    return [Completion(prompt=prompt, sampling=sampling) for prompt in prompts]


def _required(given: JsonObject, name: str) -> object:
    if name not in given:
        raise InvalidParameter(f"{name} is missing, but must be given.", param=name)
    return given[name]


def _check_model(given: JsonObject, models: Sequence[str]) -> None:
    check_name(checked_text(_required(given, "model"), "model"), models=models)


def check_name(model: str, *, models: Sequence[str]) -> None:
    """Raises ModelNotFound for a name that the stage's model does not go by."""
    if model not in models:
        raise ModelNotFound(
            f"The model {shown(model)} does not exist here. Models: {', '.join(models)}.", param="model"
        )


def _prompt(messages: tuple[Message, ...], template: ChatTemplate | None) -> str | tuple[Message, ...]:
    return messages if template is None else template.render(messages)


def _prompts(value: object) -> list[str]:
    if not isinstance(value, list):
        return [_checked_prompt(value, "prompt")]
    if not 1 <= len(value) <= MAX_SEQUENCES:
        raise InvalidParameter(
            f"prompt has {len(value)} prompts, but must have from 1 to {MAX_SEQUENCES}.", param="prompt"
        )
    return [_checked_prompt(item, f"prompt[{index}]") for index, item in enumerate(value)]


def _checked_prompt(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise InvalidParameter(
            f"{place} is {shown(value)}, but must be a string: tokens are not taken, since every model has its own.",
            param=place,
        )
    if not value.strip():
        raise InvalidParameter(f"{place} is empty: a prompt needs more than whitespace.", param=place)
    return checked_text(value, place)
