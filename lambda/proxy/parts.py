"""One text in parts, sent one after the other for as long as the time does."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from common.tokens import estimate_tokens, most_tokens

from proxy.errors import DeadlineExceeded, ModelRefused, Problem, WindowExceeded
from proxy.fit import Framing, mark_tokens, room_for
from proxy.generate import Model
from proxy.generation import Generation
from proxy.retry import MIN_ATTEMPT_SECONDS
from proxy.window import Count, Span, split

MAX_PARTS = 64


def worth_starting(*, seconds_left: float, slowest_seconds: float) -> bool:
    """Whether another part has a chance: one that takes as long as the slowest so far is done in time."""
    return seconds_left >= max(slowest_seconds, MIN_ATTEMPT_SECONDS)


class Parts:
    """The parts of one text, one after the other."""

    def __init__(self, generation: Generation, model: Model, framing: Framing) -> None:
        [self._text] = generation.inputs
        self._generation = generation
        self._model = model
        self._framing = framing
        self._room = room_for(generation, model.window, mark=mark_tokens(generation, model.contract, framing))
        self._slowest_seconds = 0.0
        self.done: dict[Span, tuple[str, str]] = {}
        """Prompt and answer."""
        self.waiting = deque(self._parts(Span(0, len(self._text)), estimate_tokens))

    def prompts(self) -> list[str]:
        """Of the parts that wait."""
        return [self._framing.around(self._text[span.start : span.end]) for span in self._in_time(self.waiting)]

    def to_the_end(self) -> Problem | None:
        """Answer part after part, until none waits or a problem ends it."""
        while self.waiting:
            try:
                self._next_or_finer()
            except Problem as problem:
                return problem
        return None

    def _next_or_finer(self) -> None:
        try:
            self._next()
        except ModelRefused:
            finer = self._finer(self.waiting[0])
            if finer == [self.waiting[0]]:
                raise
            self.waiting.popleft()
            self.waiting.extendleft(reversed(finer))

    def _next(self) -> None:
        span, deadline = self.waiting[0], self._model.deadline
        seconds_left = deadline.seconds_left()
        if self.done and not worth_starting(seconds_left=seconds_left, slowest_seconds=self._slowest_seconds):
            raise DeadlineExceeded(
                "The time that is left does not do for another part: send the text from character "
                f"{span.start} on in a request of its own."
            )
        part = self._framing.framed(self._generation, [self._text[span.start : span.end]])
        [text] = self._model.answer(part)
        self.done[span] = (part.inputs[0], text)
        self._slowest_seconds = max(self._slowest_seconds, seconds_left - deadline.seconds_left())
        self.waiting.popleft()

    def _finer(self, span: Span) -> list[Span]:
        """The parts of a part, by the bound; itself alone where that gives too many."""
        try:
            return self._parts(span, most_tokens)
        except WindowExceeded:
            return [span]

    def _parts(self, span: Span, by: Count) -> list[Span]:
        text = self._text[span.start : span.end]
        if self._framing.fits(text, self._room.uncut, by):
            return [span]
        self._framing.check_leaves_room(self._room)
        spans = self._in_time(split(text, at_most=self._room.cut, count=self._framing.counting(by)))
        parts = [Span(span.start + part.start, span.start + part.end) for part in islice(spans, MAX_PARTS + 1)]
        if len(parts) > MAX_PARTS:
            raise WindowExceeded(
                f"{self._framing.param} makes more than {MAX_PARTS} parts of {self._room.cut} tokens each: send it in "
                "several requests.",
                param=self._framing.param,
            )
        return parts

    def _in_time(self, spans: Iterable[Span]) -> Iterator[Span]:
        """These spans, one after the other. Raises DeadlineExceeded where the time is spent before all were planned."""
        for span in spans:
            if self._model.deadline.seconds_left() <= 0:
                raise DeadlineExceeded(
                    f"The time was spent before {self._framing.param} was planned in parts: send a shorter text, or "
                    "fewer shots beside it."
                )
            yield span
