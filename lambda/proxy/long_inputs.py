"""Texts of any length: cut or split as the caller chose, and said what was done. A text is all of a prompt, as in
`POST /generate`, or stands in a frame, as a task's does.

A text is first cut by the estimate of tokens, which leaves three times as much of prose as the certain bound
does. Where the model refuses that, nothing has been generated or paid for, and it is cut once more, by the bound.
"""

from collections.abc import Sequence
from typing import NamedTuple

from common.tokens import estimate_tokens, most_tokens

from proxy.errors import ModelRefused, WindowExceeded
from proxy.fit import PLAIN, Framing, Room, check_fits, mark_tokens, room_for
from proxy.generate import Model
from proxy.generation import Generation, check_generation
from proxy.strict_json import JsonObject
from proxy.window import Count, Cut, Side, cut


class Done(NamedTuple):
    """`prompts` as they were sent last, with which texts for answer, and what the caller is told of it."""

    prompts: Sequence[str]
    texts: list[str]
    told: JsonObject


def generate_any_length(fields: JsonObject, model: Model) -> JsonObject:
    """The body of `POST /generate`, but for the names that the request and the settings add."""
    done = any_length(check_generation(fields), model, PLAIN)
    return {"generated_texts": done.texts, **done.told}


def any_length(generation: Generation, model: Model, framing: Framing) -> Done:
    """The generation whose `inputs` are the texts that `framing` makes the prompts of.

    With `truncate`, `cut` says what was taken out of which input; with `split`, `split` says how far the parts
    came. With neither, WindowExceeded is raised for a text that is too long.
    """
    if generation.split:
        return _in_parts(generation, model, framing)
    if generation.truncate is not None:
        return _shortened(generation, generation.truncate, model, framing)
    prompts = framing.framed(generation, generation.inputs)
    check_fits(prompts, model.window, framing, mark=mark_tokens(generation, model.contract, framing))
    return Done(prompts.inputs, model.answer(prompts), {})


def planned(generation: Generation, model: Model, framing: Framing) -> Done:
    """What `any_length` would send first, and no answer to it. What is neither cut nor split may be too long."""
    if generation.split:
        from proxy.parts import Parts

        return Done(Parts(generation, model, framing).prompts(), [], {})
    if generation.truncate is None:
        return Done(framing.framed(generation, generation.inputs).inputs, [], {})
    cutting = _cutting(generation, generation.truncate, model, framing)
    cuts = cutting.cuts(generation.inputs, estimate_tokens)
    return Done(_of(generation, framing, cuts).inputs, [], _told_of(cuts))


def _shortened(generation: Generation, side: Side, model: Model, framing: Framing) -> Done:
    cutting = _cutting(generation, side, model, framing)
    cuts = cutting.cuts(generation.inputs, estimate_tokens)
    invocations = len(model.contract.requests(_of(generation, framing, cuts)))
    each = max(1, len(cuts) // invocations)  # inputs that are refused together
    texts: list[str] = []
    for first in range(0, len(cuts), each):
        ours = slice(first, first + each)
        try:
            texts += model.answer(_of(generation, framing, cuts[ours]))
        except ModelRefused:
            surer = cutting.cuts(generation.inputs[ours], most_tokens)
            if surer == cuts[ours]:
                raise
            cuts[ours] = surer
            texts += model.answer(_of(generation, framing, surer))
    return Done(_of(generation, framing, cuts).inputs, texts, _told_of(cuts))


class _Cutting(NamedTuple):
    """How texts are cut: at which side, for which room, in which frame."""

    side: Side
    room: Room
    framing: Framing

    def cuts(self, inputs: Sequence[str], by: Count) -> list[Cut]:
        return [self._cut(text, index, by) for index, text in enumerate(inputs)]

    def _cut(self, text: str, index: int, by: Count) -> Cut:
        if self.framing.fits(text, self.room.uncut, by):
            return Cut(text, None)
        self.framing.check_leaves_room(self.room)
        done = cut(text, at_most=self.room.cut, side=self.side, count=self.framing.counting(by))
        if not done.text.strip():
            which = f"input {index} of text_inputs" if self.framing is PLAIN else self.framing.param
            raise WindowExceeded(
                f"Cut at its {self.side}, {which} would be nothing but white space: cut it elsewhere, or leave that "
                "out.",
                param=self.framing.param,
            )
        return done


def _cutting(generation: Generation, side: Side, model: Model, framing: Framing) -> _Cutting:
    mark = mark_tokens(generation, model.contract, framing)
    return _Cutting(side, room_for(generation, model.window, mark=mark), framing)


def _of(generation: Generation, framing: Framing, cuts: Sequence[Cut]) -> Generation:
    return framing.framed(generation, [done.text for done in cuts])


def _told_of(cuts: Sequence[Cut]) -> JsonObject:
    taken = [(index, done.taken) for index, done in enumerate(cuts) if done.taken is not None]
    return {"cut": [{"input": index, "start": span.start, "end": span.end} for index, span in taken]}


def _in_parts(generation: Generation, model: Model, framing: Framing) -> Done:
    from proxy.parts import Parts

    run = Parts(generation, model, framing)
    stopped = run.to_the_end()
    if stopped is not None and not run.done:
        raise stopped
    texts = [text for _, text in run.done.values()]
    told = {
        "parts": len(run.done) + len(run.waiting),
        "done": len(run.done),
        "texts": texts,
        "spans": [[span.start, span.end] for span in run.done],
        "continue_at": run.waiting[0].start if run.waiting else None,
        "error": stopped and {"type": stopped.type, "message": stopped.message},
    }
    return Done([prompt for prompt, _ in run.done.values()], ["\n".join(texts)], {"split": told})
