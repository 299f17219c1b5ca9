"""The shape of a task: the frame that its prompts are made of."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from proxy.tasks.guard import Guard

_FIELD = re.compile(r"\{(\w+)\}")


class Template(NamedTuple):
    """Text around fields: `texts` is one longer than `fields`."""

    texts: tuple[str, ...]
    fields: tuple[str, ...]

    @classmethod
    def parse(cls, written: str) -> "Template":
        parts = _FIELD.split(written)
        return cls(tuple(parts[::2]), tuple(parts[1::2]))


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One table of `tasks.toml`, which tells what its keys mean."""

    name: str
    about: str
    shot: str
    between: str
    delimiter: str
    instead: str
    lead: str = ""
    once: Mapping[str, str] = field(default_factory=dict)
    dummies: Sequence[Mapping[str, str]] = ()
    labels: Sequence[str] = ()
    long: str = ""
    splits: bool | None = None

    @cached_property
    def lead_template(self) -> Template:
        return Template.parse(self.lead)

    @cached_property
    def shot_template(self) -> Template:
        return Template.parse(self.shot)

    @cached_property
    def question_template(self) -> Template:
        """A shot without its output."""
        *texts, last, _ = self.shot_template.texts
        return Template((*texts, last.rstrip()), self.shot_template.fields[:-1])

    @property
    def output(self) -> str:
        """The field that the model fills."""
        return self.shot_template.fields[-1]

    @property
    def shot_fields(self) -> tuple[str, ...]:
        """What each shot gives."""
        shared = (*self.lead_template.fields, *self.once)
        return tuple(name for name in dict.fromkeys(self.shot_template.fields) if name not in shared)

    @property
    def request_fields(self) -> tuple[str, ...]:
        """What the request gives beside its shots."""
        return tuple(dict.fromkeys((*self.lead_template.fields, *self.question_template.fields)))

    @property
    def long_field(self) -> str:
        """The field of the request that `truncate` and `split` shorten: the first that always has to be given."""
        given = [name for name in self.request_fields if name not in self.once]
        return self.long or [*given, *self.request_fields][0]

    @property
    def can_split(self) -> bool:
        """Whether the outputs for the parts of a text make one for the whole. Labels do not."""
        return not self.labels if self.splits is None else self.splits

    @cached_property
    def guard(self) -> Guard:
        """What keeps the user's text inside this frame. Its labels are the frame's own words between fields and
        delimiters.
        """
        texts = (*self.lead_template.texts, self.between, *self.shot_template.texts)
        words = {piece.strip() for text in texts for piece in text.split(self.delimiter)} - {""}
        telling = {word for word in words if re.search(r"\w", word)} or words
        opening = self.between.rpartition(self.delimiter)[2] + self.shot_template.texts[0]
        return Guard(
            delimiter=self.delimiter,
            instead=self.instead,
            labels=sorted(telling, key=len, reverse=True),
            opens_with_label=bool(opening.strip()),
        )
