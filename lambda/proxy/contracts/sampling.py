"""What the servers share that sample token by token: they count new tokens only and have no beam search."""

from common.tokens import estimate_tokens

from proxy.contracts.contract import NEW_TOKENS
from proxy.errors import InvalidParameter
from proxy.generation import Generation
from proxy.parameters import Parameters


def new_tokens(text: str, given: Parameters) -> int:
    """How many tokens may follow `text`, for a `max_length` that counts it too. Raises InvalidParameter."""
    if "max_length" not in given:
        return NEW_TOKENS
    input_tokens = estimate_tokens(text)
    if given["max_length"] <= input_tokens:
        raise InvalidParameter(
            f"max_length is {given['max_length']}, but counts the input too, which is estimated at "
            f"{input_tokens} tokens: set it to {input_tokens + 1} or more, or leave it out for "
            f"{NEW_TOKENS} new tokens.",
            param="max_length",
        )
    return int(given["max_length"]) - input_tokens


def refuse_what_it_lacks(generation: Generation, *, lowest_seed: int, highest_seed: int) -> None:
    """Raises InvalidParameter, by name, for what only a container of AlexaTM's kind can do."""
    given = generation.parameters
    lacks = {
        "clm": (generation.clm is True, "a [CLM] mode: leave it out"),
        "num_beams": (
            given.get("num_beams", 1) > 1,
            "beam search: leave it out, and for several texts set do_sample to true",
        ),
        "early_stopping": (
            given.get("early_stopping") is True,
            "beam search, which it would stop: leave it out",
        ),
        "no_repeat_ngram_size": ("no_repeat_ngram_size" in given, "a ban on repeated n-grams: leave it out"),
        "seed": (
            not lowest_seed <= given.get("seed", 0) <= highest_seed,
            f"such seeds: use an integer from {lowest_seed} to {highest_seed}",
        ),
    }
    for name, (asked_for, what) in lacks.items():
        if asked_for:
            raise InvalidParameter(f"{name} cannot be honoured: this model's server lacks {what}.", param=name)
