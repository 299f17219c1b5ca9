"""A task's prompt: the shape filled with the request's fields and shots."""

import re
from collections.abc import Iterator, Mapping, Sequence

from proxy.tasks.guard import Origin, Piece
from proxy.tasks.shape import Shape, Template

LAST_WORD = re.compile(r"\{last word of (\w+)\}")

NEWLINE = re.compile(r"\r\n?|\n")

Texts = Mapping[str, str]


def prompt(shape: Shape, fields: Texts, shots: Sequence[Texts], *, line_break: str | None) -> str:
    """The prompt for these fields after these shots, or after the dummies where there are none.

    `line_break` takes the place of the user's newlines for a model that drops them, None leaves them. In an
    output it must not end that output: where it holds the delimiter, what stands instead of a delimiter does.
    """
    pieces = pieces_of(shape, fields, shots)
    if line_break is not None:
        pieces = [_on_one_line(piece, line_break, shape) for piece in pieces]
    return shape.guard.joined(pieces)


def pieces_of(shape: Shape, fields: Texts, shots: Sequence[Texts]) -> list[Piece]:
    """The prompt before anything is done about what the user's texts hold. No field is looked for in them."""
    given = {**shape.once, **fields}
    pieces = [*_filled(shape.lead_template, given)]
    for shot in shots or _dummies(shape, given):
        pieces += _filled(shape.shot_template, {**given, **shot}, output=shape.output)
        pieces.append(Piece(shape.between, Origin.FRAME))
    return [*pieces, *_filled(shape.question_template, given)]


def last_word(text: str) -> str:
    """The last word of a passage, without its full stop or question mark.

    What is nothing but these is no word, unless nothing else is there. White space has none.
    """
    words = text.split()
    bare = (word.rstrip(".?") for word in reversed(words))
    return next(filter(None, bare), words[-1] if words else "")


def _dummies(shape: Shape, fields: Texts) -> Iterator[Texts]:
    for dummy in shape.dummies:
        yield {name: _dummy_text(text, fields) for name, text in dummy.items()}


def _dummy_text(text: str, fields: Texts) -> str:
    of = LAST_WORD.fullmatch(text)
    return last_word(fields[of[1]]) if of else text


def _filled(template: Template, texts: Texts, *, output: str | None = None) -> Iterator[Piece]:
    yield Piece(template.texts[0], Origin.FRAME)
    for name, text in zip(template.fields, template.texts[1:], strict=True):
        yield Piece(texts[name], Origin.OUTPUT if name == output else Origin.INPUT)
        yield Piece(text, Origin.FRAME)


def _on_one_line(piece: Piece, line_break: str, shape: Shape) -> Piece:
    if piece.origin is Origin.FRAME:
        return piece
    ends_output = piece.origin is Origin.OUTPUT and shape.delimiter in line_break
    mark = shape.instead if ends_output else line_break
    return Piece(NEWLINE.sub(lambda _: mark, piece.text), piece.origin)
