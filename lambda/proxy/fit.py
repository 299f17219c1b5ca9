"""Whether a generation fits the model's window, and to what its inputs are cut where it does not."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from common.tokens import estimate_tokens

from proxy.contracts.contract import MARK_TOKENS, NEW_TOKENS, Contract
from proxy.errors import InvalidParameter, WindowExceeded
from proxy.generation import Generation
from proxy.parameters import MAX_TOKENS
from proxy.window import Count, Window

MIN_ROOM = 16  # less of a text than this says nothing

_ADVICE = "Shorten it, set truncate to head, tail or middle, or send it alone with split set to true."


class Framing(NamedTuple):
    """What a text is sent in: `around` makes the prompt of it, and `param` is the text's name in the request.

    `whole` is the prompt's name, where it is a field of the request by itself. What stands around the text has up to
    `tokens()` tokens, and the text itself up to `counted(text, by)` of those that `by` counts, special tokens included.
    """

    param: str
    around: Callable[[str], str]
    whole: str | None
    advice: str
    tokens: Callable[[], int]
    counted: Callable[[str, Count], int]

    def framed(self, generation: Generation, texts: Sequence[str]) -> Generation:
        """The generation whose inputs are the prompts of these texts."""
        prompts = tuple(map(self.around, texts))
        return generation if prompts == generation.inputs else generation._replace(inputs=prompts)

    def counting(self, by: Count) -> Count:
        """Tokens of the prompt made of a text, no prompt being made: planning asks for many. What stands around it is
        always estimated: it cannot be cut, and by a bound that is three times too high nothing would be left for the
        text.
        """
        frame = self.tokens()
        return lambda text: frame + self.counted(text, by)

    def fits(self, text: str, room: int, by: Count) -> bool:
        """Whether the prompt made of `text` has no more than `room` tokens. The estimate reads the prompt itself, which
        may be less than planning counts: so what is sent without `truncate` is not cut with it.
        """
        if self.counting(by)(text) <= room:
            return True
        return by is estimate_tokens and self.tokens() < room and estimate_tokens(self.around(text)) <= room

    def check_leaves_room(self, room: "Room") -> None:
        """Raises WindowExceeded, with the numbers, where next to nothing of the text would be left."""
        frame = self.tokens()
        if room.cut - frame < MIN_ROOM:
            raise WindowExceeded(
                f"{self.param} cannot be cut so that it fits: there is room for {room.cut} tokens, and what stands "
                f"around it has about {frame} (estimated, rather too high), which leaves less than {MIN_ROOM}. "
                "Send shorter texts beside it, or fewer shots.",
                param=None,
            )


PLAIN = Framing(  # nothing is around it
    param="text_inputs",
    around=lambda text: text,
    whole="text_inputs",
    advice=_ADVICE,
    tokens=lambda: 0,
    counted=lambda text, by: by(text),
)


def mark_tokens(generation: Generation, contract: Contract, framing: Framing) -> int:
    """Tokens that the contract adds to each prompt. A task's frame has the mark in it."""
    return contract.added_tokens if generation.clm is not False and framing is PLAIN else 0


def check_fits(generation: Generation, window: Window | None, framing: Framing, *, mark: int) -> None:
    """Raises WindowExceeded, with the numbers, where a prompt with its `mark` tokens, or `max_length`, is longer than
    the window.

    None is a window that is not known. Whether a prompt fits the caller's own `max_length` is for the contract to say.
    """
    if window is None:
        return
    max_length = generation.parameters.get("max_length")
    if max_length is not None and max_length > window.total_tokens:
        raise WindowExceeded(
            f"max_length is {max_length}, but this model's window holds {window.total_tokens} tokens, input and "
            f"output together: set it to {window.total_tokens} or less.",
            param="max_length",
        )
    room = min(window.input_tokens, window.total_tokens - (NEW_TOKENS if max_length is None else 1)) - mark
    for index, text in enumerate(generation.inputs):
        if (tokens := estimate_tokens(text)) > room:
            where = f"{framing.whole}[{index}]" if generation.is_batch else framing.whole
            raise WindowExceeded(
                f"{where or 'The prompt'} is too long for this model: about {tokens} tokens (estimated, rather too "
                f"high), and there is room for {room}. Its window: {window.input_tokens} tokens of input, "
                f"{window.total_tokens} of input and output together. {framing.advice}",
                param=where,
            )


class Room(NamedTuple):
    """Tokens for an input: as it is, and once it has to be cut, which then leaves the output its usual share."""

    uncut: int
    cut: int


def room_for(generation: Generation, window: Window | None, *, mark: int) -> Room:
    """The room within the window and the caller's own `max_length`, beside `mark` tokens.

    Raises InvalidParameter where neither is known, or where `max_length` leaves next to nothing, and WindowExceeded
    where it is longer than the window.
    """
    check_fits(generation._replace(inputs=()), window, PLAIN, mark=mark)
    max_length = generation.parameters.get("max_length")
    if window is None and max_length is None:
        asked = "split" if generation.split else "truncate"
        raise InvalidParameter(
            f"{asked} needs this model's window, which the catalog does not know: say in max_length how many tokens "
            "input and output may have together.",
            param=asked,
        )
    total = int(max_length) if max_length is not None else MAX_TOKENS
    most = total
    if window is not None:
        total, most = min(total, window.total_tokens), window.input_tokens
    cut = min(most, total - min(NEW_TOKENS, total // 2)) - MARK_TOKENS
    if cut < MIN_ROOM:
        raise InvalidParameter(
            f"Input and output may have {total} tokens together, which leaves {max(cut, 0)} for an input that has to "
            f"be cut: set max_length to {2 * (MIN_ROOM + MARK_TOKENS)} or more.",
            param="max_length",
        )
    return Room(uncut=min(most, total - (NEW_TOKENS if max_length is None else 1)) - mark, cut=cut)
