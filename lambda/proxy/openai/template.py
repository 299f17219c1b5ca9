"""Chat templates: how a conversation becomes the one text that a model continues.

A template is data, so a prompt is put together in one pass in which text from a caller is never looked at for
placeholders. What frames a turn (`reserved`) loses its meaning inside a turn: a space before its last character
makes `<|im_end|>` into `<|im_end| >`, which is ordinary text to a tokenizer. It is found however it is spelt for a
tokenizer, and behind any line break. Everything else stays as it was written, but for line breaks and outer spaces
where the model's own template changes those too.
"""

import json
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from proxy.completion import Message
from proxy.errors import InvalidParameter

_PLACEHOLDER = re.compile(r"(\{system\}|\{content\})")
_BREAK = r"[\n\r\x0b\x0c\x85\u2028\u2029]"
_LINE_BREAKS = re.compile(f"{_BREAK}+")


class ChatTemplate(NamedTuple):
    """`system`, `user` and `assistant` frame a turn of that role around {content}; `answer` opens the model's own.

    {system} in `user` is where the first turn takes in the system message. `stop` ends the answer. `line_breaks`
    replaces every run of line breaks inside a turn, `strips` says that turns lose their outer spaces, and
    `alternates` that the model knows one system message at most, and then user and assistant in turns.
    """

    name: str
    system: str
    user: str
    assistant: str
    answer: str
    stop: tuple[str, ...]
    reserved: tuple[str, ...]
    line_breaks: str | None
    strips: bool
    alternates: bool

    @classmethod
    def from_json(cls, text: str) -> "ChatTemplate":
        """Raises ValueError, KeyError or TypeError where `text` is not one template with all of its fields."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**fields | {name: tuple(fields[name]) for name in ("stop", "reserved")})

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt. Raises InvalidParameter for a conversation that the model's format cannot hold."""
        if self.alternates:
            self._check_turns(messages)
        folded = "{system}" in self.user and messages[0].role == "system"
        system = _filled(self.system, self._contained(messages[0].content)) if folded else ""
        turns = []
        for message in messages[1:] if folded else messages:
            frame = {"system": self.system, "user": self.user, "assistant": self.assistant}[message.role]
            turns.append(_filled(frame, self._contained(message.content), system))
            system = ""
        return "".join(turns) + self.answer

    def _contained(self, content: str) -> str:
        """`content` as it may stand inside a turn."""
        if self.strips:
            content = content.strip()
        if self.line_breaks is not None:
            content = _LINE_BREAKS.sub(lambda _: str(self.line_breaks), content)
        if not self.reserved:
            return content
        return _found(self.reserved).sub(lambda found: f"{found[0][:-1]} {found[0][-1]}", content)

    def _check_turns(self, messages: Sequence[Message]) -> None:
        first = 1 if messages[0].role == "system" else 0
        for index, message in enumerate(messages[first:], start=first):
            expected = "user" if (index - first) % 2 == 0 else "assistant"
            if message.role != expected:
                raise InvalidParameter(
                    f"messages[{index}].role is {message.role}, but this model's chat format ({self.name}) needs "
                    f"{expected} there: one system message at most, and then user and assistant in turns.",
                    param=f"messages[{index}].role",
                )
        if messages[-1].role != "user":
            raise InvalidParameter(
                f"messages ends with one from the {messages[-1].role}, but this model's chat format ({self.name}) "
                "needs one from the user at the end.",
                param="messages",
            )


@cache
def _found(reserved: Sequence[str]) -> re.Pattern[str]:
    """What finds these strings in a turn, made by the first chat."""
    from proxy.tasks.hidden import UNSEEN, hidden  # noqa: PLC0415 (a cold start imports no more than it needs)

    lines = (one.split("\n") for one in reserved)
    return re.compile("|".join(rf"{_BREAK}[{UNSEEN}]*+".join(map(hidden, line)) for line in lines))


def _filled(frame: str, content: str, system: str = "") -> str:
    values = {"{content}": content, "{system}": system}
    return "".join(values.get(part, part) for part in _PLACEHOLDER.split(frame))
