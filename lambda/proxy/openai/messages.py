"""The `messages` of a chat, checked: text only, from the three roles that a chat template knows."""

from collections.abc import Mapping

from common.shown import shown

from proxy.completion import Message, Role
from proxy.errors import InvalidParameter
from proxy.strict_json import checked_unicode

MAX_MESSAGES = 1000

ROLES: Mapping[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}

# What OpenAI's own answers carry beside role and content, so that an answer can be sent back as it came.
EMPTY: tuple[object, ...] = (None, [], {})


def check_messages(value: object) -> tuple[Message, ...]:
    """The conversation. Raises InvalidParameter naming the place at fault, as in `messages[2].content[0]`."""
    if not isinstance(value, list):
        raise InvalidParameter(f"messages is {shown(value)}, but must be an array of messages.", param="messages")
    if not 1 <= len(value) <= MAX_MESSAGES:
        raise InvalidParameter(
            f"messages has {len(value)} messages, but must have from 1 to {MAX_MESSAGES}.", param="messages"
        )
    return tuple(_message(item, f"messages[{index}]") for index, item in enumerate(value))


def checked_text(value: object, place: str) -> str:
    """`value` as a string that can be written as UTF-8."""
    if not isinstance(value, str):
        raise InvalidParameter(f"{place} is {shown(value)}, but must be a string.", param=place)
    return checked_unicode(value, place)


def _message(value: object, place: str) -> Message:
    if not isinstance(value, dict):
        raise InvalidParameter(f"{place} is {shown(value)}, but must be an object with role and content.", param=place)
    role = value.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise InvalidParameter(
            f"{place}.role is {shown(role)}, but must be one of {', '.join(ROLES)}: "
            "the model behind this API calls no tools.",
            param=f"{place}.role",
        )
    for name, given in value.items():
        if name not in ("role", "content") and given not in EMPTY:
            raise InvalidParameter(
                f"{place}.{name[:40]} cannot be honoured: a message here has a role and a content.",
                param=f"{place}.{name[:40]}",
            )
    content = _content(value.get("content"), f"{place}.content")
    if role != "assistant" and not content.strip():
        raise InvalidParameter(f"{place}.content is empty, but must be more than whitespace.", param=f"{place}.content")
    return Message(ROLES[role], content)


def _content(value: object, place: str) -> str:
    """A string, or an array of text parts, which are put together line by line."""
    if isinstance(value, list):
        return "\n".join(_part(part, f"{place}[{index}]") for index, part in enumerate(value))
    if not isinstance(value, str):
        raise InvalidParameter(
            f"{place} is {shown(value)}, but must be a string or an array of text parts.", param=place
        )
    return checked_text(value, place)


def _part(value: object, place: str) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(value, dict) or kind != "text":
        given = f"of type {shown(kind)}" if isinstance(value, dict) else shown(value)
        raise InvalidParameter(
            f'{place} is {given}, but must be {{"type": "text", "text": …}}: this model reads text only.', param=place
        )
    for name, given in value.items():
        if name not in ("type", "text") and given not in EMPTY:
            raise InvalidParameter(
                f"{place}.{name[:40]} cannot be honoured: a text part has a type and a text.",
                param=f"{place}.{name[:40]}",
            )
    return checked_text(value.get("text"), f"{place}.text")
