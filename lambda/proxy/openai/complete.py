"""From checked completions to choices: the model is asked, its texts end where they should, tokens are counted."""

import re
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from common.tokens import SPECIAL_TOKENS, estimate_tokens

from proxy.ask import ask
from proxy.completion import Choice, Completion, FinishReason, Outcome
from proxy.contracts.contract import Contract
from proxy.errors import BadModelAnswer
from proxy.invocations import Invocations

_WORD = re.compile(r"\S+")


class Answered(NamedTuple):
    """Every choice, prompt by prompt. `estimated` names what the model did not say and the proxy worked out."""

    choices: tuple[Choice, ...]
    prompt_tokens: int
    completion_tokens: int
    estimated: frozenset[str]

    def stripped(self) -> "Answered":
        """The same without whitespace around the texts."""
        return self._replace(choices=tuple(choice._replace(text=choice.text.strip()) for choice in self.choices))


def complete(completions: Sequence[Completion], *, contract: Contract, invocations: Invocations) -> Answered:
    """All is put into the contract's words before the first invocation; several run one after the other."""
    bodies = [contract.completion_requests(completion) for completion in completions]
    answered = []
    for completion, requests in zip(completions, bodies, strict=True):
        each = completion.sampling.n // len(requests)
        answers = (ask(contract, invocations, body, texts=each) for body in requests)
        outcomes = [_checked(contract.outcome(answer), each) for answer in answers]
        answered.append(answered_by(completion, outcomes))
    return Answered(
        choices=tuple(choice for one in answered for choice in one.choices),
        prompt_tokens=sum(one.prompt_tokens for one in answered),
        completion_tokens=sum(one.completion_tokens for one in answered),
        estimated=frozenset[str]().union(*(one.estimated for one in answered)),
    )


def answered_by(completion: Completion, outcomes: Sequence[Outcome]) -> Answered:
    """What the outcomes for one prompt come to. Tokens count as generated, those behind a stop included."""
    given = [choice for outcome in outcomes for choice in outcome.choices]
    most = completion.sampling.max_tokens
    within = [
        _cut_to(most, choice) if outcome.is_bounded_by_estimate else choice
        for outcome in outcomes
        for choice in outcome.choices
    ]
    choices = tuple(_ended(choice, completion) for choice in within)
    counts = [outcome.completion_tokens for outcome in outcomes if outcome.completion_tokens is not None]
    counted = len(counts) == len(outcomes)
    prompt_tokens = outcomes[0].prompt_tokens  # several invocations read the same prompt, which counts once
    estimated = {
        "usage.prompt_tokens": prompt_tokens is None,
        "usage.completion_tokens": not counted,
        "max_tokens": any(outcome.is_bounded_by_estimate for outcome in outcomes),
        "finish_reason": any(not _is_known(choice, completion) for choice in within),
    }
    return Answered(
        choices=choices,
        prompt_tokens=estimate_tokens(completion.text) if prompt_tokens is None else prompt_tokens,
        completion_tokens=sum(counts) if counted else sum(_tokens(choice.text) for choice in given),
        estimated=frozenset(name for name, is_estimate in estimated.items() if is_estimate),
    )


def _checked(outcome: Outcome, expected: int) -> Outcome:
    if len(outcome.choices) != expected:
        raise BadModelAnswer(f"The model's answer has {len(outcome.choices)} texts, but {expected} were asked for.")
    return outcome


def _cut_to(max_tokens: int, choice: Choice) -> Choice:
    """The choice without what is surely more than was asked for: no tokenizer has a token of two words."""
    ends = [word.end() for word in islice(_WORD.finditer(choice.text), max_tokens + 1)]
    return Choice(choice.text[: ends[max_tokens - 1]], "length") if len(ends) > max_tokens else choice


def _is_known(choice: Choice, completion: Completion) -> bool:
    return choice.finish_reason is not None or any(stop in choice.text for stop in completion.stops)


def _ended(choice: Choice, completion: Completion) -> Choice:
    """The choice without its first stop and what follows, and with the reason why it ends.

    A model that does not say why it ended may have been cut off. `length` is then said unless the text, whose
    tokens the estimate does not undercount, is surely shorter than was allowed.
    """
    ends = [choice.text.index(stop) for stop in completion.stops if stop in choice.text]
    if ends:
        return Choice(choice.text[: min(ends)], "stop")
    if choice.finish_reason is not None:
        return choice
    reason: FinishReason = "stop" if _tokens(choice.text) < completion.sampling.max_tokens else "length"
    return Choice(choice.text, reason)


def _tokens(text: str) -> int:
    return estimate_tokens(text) - SPECIAL_TOKENS
