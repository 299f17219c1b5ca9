"""`POST /generate` for texts of any length: cut or split as the caller chose, and said what was done.

A text is first cut by the estimate of tokens, which leaves three times as much of prose as the certain bound
does. Where the model refuses that, nothing has been generated or paid for, and it is cut once more, by the bound.
"""

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from common.tokens import estimate_tokens, most_tokens

from proxy.contracts.contract import Contract
from proxy.errors import DeadlineExceeded, ModelRefused, Problem, WindowExceeded
from proxy.fit import Room, check_fits, room_for
from proxy.generate import answered
from proxy.generation import Generation, check_generation
from proxy.invocations import Invocations
from proxy.retry import MIN_ATTEMPT_SECONDS
from proxy.strict_json import JsonObject
from proxy.timing import Deadline
from proxy.window import Count, Cut, Side, Span, Window, cut, split

MAX_PARTS = 64


class Model(NamedTuple):
    """What a generation is sent to, and in what time."""

    contract: Contract
    invocations: Invocations
    window: Window | None
    deadline: Deadline

    def answer(self, generation: Generation) -> list[str]:
        return answered(generation, contract=self.contract, invocations=self.invocations)


def generate_any_length(fields: JsonObject, model: Model) -> JsonObject:
    """The body of `POST /generate`, but for the names that the request and the settings add.

    With `truncate`, `cut` says what was taken out of which input; with `split`, `split` says how far the parts
    came. With neither, WindowExceeded is raised for a text that is too long.
    """
    generation = check_generation(fields)
    if generation.split:
        return _in_parts(generation, model)
    if generation.truncate is not None:
        return _shortened(generation, generation.truncate, model)
    check_fits(generation, model.window)
    return {"generated_texts": model.answer(generation)}


def _shortened(generation: Generation, side: Side, model: Model) -> JsonObject:
    check_fits(generation._replace(inputs=()), model.window)
    room = room_for(generation, model.window)
    cuts = _cuts(generation.inputs, side, room, estimate_tokens)
    invocations = len(model.contract.requests(_of(generation, cuts)))
    each = max(1, len(cuts) // invocations)  # inputs that are refused together
    texts: list[str] = []
    for first in range(0, len(cuts), each):
        ours = slice(first, first + each)
        try:
            texts += model.answer(_of(generation, cuts[ours]))
        except ModelRefused:
            surer = _cuts(generation.inputs[ours], side, room, most_tokens)
            if surer == cuts[ours]:
                raise
            cuts[ours] = surer
            texts += model.answer(_of(generation, surer))
    return {"generated_texts": texts, "cut": [_told(index, done) for index, done in enumerate(cuts) if done.taken]}


def _cuts(inputs: Sequence[str], side: Side, room: Room, count: Count) -> list[Cut]:
    cuts = [
        Cut(text, None) if count(text) <= room.uncut else cut(text, at_most=room.cut, side=side, count=count)
        for text in inputs
    ]
    for index, done in enumerate(cuts):
        if not done.text.strip():
            raise WindowExceeded(
                f"Cut at its {side}, input {index} of text_inputs would be nothing but white space: cut it elsewhere, "
                "or leave that out.",
                param="text_inputs",
            )
    return cuts


def _of(generation: Generation, cuts: Sequence[Cut]) -> Generation:
    return generation._replace(inputs=tuple(done.text for done in cuts))


def _told(index: int, done: Cut) -> JsonObject:
    assert done.taken is not None  # noqa: S101
    return {"input": index, "start": done.taken.start, "end": done.taken.end}


def worth_starting(*, seconds_left: float, slowest_seconds: float) -> bool:
    """Whether another part has a chance: one that takes as long as the slowest so far is done in time."""
    return seconds_left >= max(slowest_seconds, MIN_ATTEMPT_SECONDS)


def _in_parts(generation: Generation, model: Model) -> JsonObject:
    check_fits(generation._replace(inputs=()), model.window)
    room = room_for(generation, model.window)
    run = _Run(generation, model, room)
    stopped = run.to_the_end()
    if stopped is not None and not run.done:
        raise stopped
    texts = list(run.done.values())
    return {
        "generated_texts": ["\n".join(texts)],
        "split": {
            "parts": len(run.done) + len(run.waiting),
            "done": len(run.done),
            "texts": texts,
            "spans": [[span.start, span.end] for span in run.done],
            "continue_at": run.waiting[0].start if run.waiting else None,
            "error": stopped and {"type": stopped.type, "message": stopped.message},
        },
    }


class _Run:
    """The parts of one text, one after the other."""

    def __init__(self, generation: Generation, model: Model, room: Room) -> None:
        [self._text] = generation.inputs
        self._generation = generation
        self._model = model
        self._room = room
        self._slowest_seconds = 0.0
        self.done: dict[Span, str] = {}
        self.waiting = deque(self._parts(Span(0, len(self._text)), estimate_tokens))

    def to_the_end(self) -> Problem | None:
        """Answer part after part, until none waits or a problem ends it."""
        while self.waiting:
            try:
                self._next()
            except ModelRefused as refused:
                finer = self._parts(self.waiting[0], most_tokens)
                if finer == [self.waiting[0]]:
                    return refused
                self.waiting.popleft()
                self.waiting.extendleft(reversed(finer))
            except Problem as problem:
                return problem
        return None

    def _next(self) -> None:
        span, deadline = self.waiting[0], self._model.deadline
        seconds_left = deadline.seconds_left()
        if self.done and not worth_starting(seconds_left=seconds_left, slowest_seconds=self._slowest_seconds):
            raise DeadlineExceeded(
                "The time that is left does not do for another part: send the text from character "
                f"{span.start} on in a request of its own."
            )
        part = self._generation._replace(inputs=(self._text[span.start : span.end],))
        [self.done[span]] = self._model.answer(part)
        self._slowest_seconds = max(self._slowest_seconds, seconds_left - deadline.seconds_left())
        self.waiting.popleft()

    def _parts(self, span: Span, count: Count) -> list[Span]:
        text = self._text[span.start : span.end]
        if count(text) <= self._room.uncut:
            return [span]
        spans = split(text, at_most=self._room.cut, count=count)
        parts = [Span(span.start + part.start, span.start + part.end) for part in islice(spans, MAX_PARTS + 1)]
        if len(parts) > MAX_PARTS:
            raise WindowExceeded(
                f"text_inputs makes more than {MAX_PARTS} parts of {self._room.cut} tokens each: send it in several "
                "requests.",
                param="text_inputs",
            )
        return parts
