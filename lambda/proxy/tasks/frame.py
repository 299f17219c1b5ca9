"""What stands around a task's long text, and how many tokens the two have together.

Planning a cut asks that of many texts, and a prompt with thousands of shots takes a tenth of a second to write. So
what stands around is counted once, and a text by itself: by what it has at most, however it is written into a prompt.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property

from common.tokens import SPECIAL_TOKENS, estimate_tokens, most_tokens

from proxy.contracts.alexatm import with_clm_mark
from proxy.tasks.guard import Origin
from proxy.tasks.prompt import NEWLINE, last_word, pieces_of, prompt
from proxy.tasks.request import TaskRequest
from proxy.tasks.shape import Shape
from proxy.window import Count

# Stands for the text where what is around it is counted: neither a part of a label nor of a delimiter, and of
# characters that are a token a byte whatever they touch. Its last word is told from it.
_PROBE = "\ufffc \ufffc\ufffc"


class Frame:
    """`line_break` is what newlines become, and `is_marked` says that the prompt gets AlexaTM's mark."""

    def __init__(self, shape: Shape, request: TaskRequest, *, line_break: str | None, is_marked: bool) -> None:
        self._shape = shape
        self._request = request
        self._line_break = line_break
        self._is_marked = is_marked
        self._last = ("", "")

    def around(self, text: str) -> str:
        """The prompt, written anew around each text that is sent: what is left of one must not break the frame either.

        The last one is kept, since it is asked for by who plans, who sends and who tells.
        """
        if self._last[0] != text:
            self._last = (text, self._around(text))
        return self._last[1]

    def _around(self, text: str) -> str:
        written = prompt(self._shape, self._fields(text), self._request.shots, line_break=self._line_break)
        return with_clm_mark(written) if self._is_marked else written

    @cached_property
    def tokens(self) -> int:
        """Tokens of all but the text, estimated. No text leaves more of them: what it touches can only be replaced."""
        texts, words = self._copies
        probes = texts * _tokens(_PROBE, estimate_tokens) + words * _tokens(last_word(_PROBE), estimate_tokens)
        return _tokens(self._around(_PROBE), estimate_tokens) - probes + self._added(self._others)

    def counted(self, text: str, by: Count) -> int:
        """Tokens of the text, wherever the prompt has it. A longer text never counts less: its last word counts as the
        longest one so far, by the bound, and a delimiter as what has more tokens, itself or what stands instead.
        """
        texts, words = self._copies
        written = text if self._line_break is None else NEWLINE.sub(lambda _: str(self._line_break), text)
        tokens = by("") + texts * _tokens(written, by) + (texts + words) * self._added([text])
        return (
            tokens + words * max((_tokens(word, most_tokens) for word in text.split()), default=0) if words else tokens
        )

    def _added(self, texts: Sequence[str]) -> int:
        """Tokens that these texts may have more where their delimiters are replaced."""
        guard = self._shape.guard
        return guard.most_added * sum(map(guard.delimiters_in, texts)) if guard.most_added else 0

    @cached_property
    def _copies(self) -> tuple[int, int]:
        """How many times a prompt has the text, and the text's last word beside it."""
        written = self._written(_PROBE)
        texts, words = (written.count(each) - self._others.count(each) for each in (_PROBE, last_word(_PROBE)))
        return texts, words

    @cached_property
    def _others(self) -> list[str]:
        return self._written("")

    def _written(self, text: str) -> list[str]:
        """What the caller's part of a prompt is made of."""
        pieces = pieces_of(self._shape, self._fields(text), self._request.shots)
        return [piece.text for piece in pieces if piece.origin is not Origin.FRAME]

    def _fields(self, text: str) -> Mapping[str, str]:
        return {**self._request.fields, self._shape.long_field: text}


def _tokens(text: str, by: Count) -> int:
    """Without special tokens."""
    return by(text) - SPECIAL_TOKENS
