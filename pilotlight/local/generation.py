"""Text generation with a Transformers model on the CPU: the only module of the container that knows torch."""

import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, StoppingCriteria, StoppingCriteriaList

from pilotlight.local.model_request import Generation, Written, check_size, new_tokens_allowed

# Two threads on a core that anything else uses wait for each other: SmolLM2 on two cores fell from 27 to 9
# tokens/s beside one busy process, and one thread stayed at 20. So half the cores, and no more than two.
TORCH_THREADS = max(1, min(2, (os.cpu_count() or 1) // 2))


PLAIN_CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}assistant:"
)
"""For a model that has no chat template, as the tiny one."""

ASK_SECONDS = 0.2
"""How often a request that waits for its turn asks whether somebody still waits for it."""


class AbandonedError(Exception):
    """The caller has gone, or the time that SageMaker gives a container is over."""


class TextModel:
    """A causal language model with its tokenizer. Safe to share between threads: it generates once at a time.

    Raises, when created, whatever transformers raises about an unusable folder.
    """

    def __init__(self, folder: Path) -> None:
        torch.set_num_threads(TORCH_THREADS)
        # Flags that have no effect without sampling or beams are the caller's business, not standard error's.
        warnings.filterwarnings("ignore", module="transformers")
        # transformers' types do not say what its Auto classes return
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, padding_side="left")
        self._model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
        self._tokenizer.chat_template = self._tokenizer.chat_template or PLAIN_CHAT_TEMPLATE
        end_marks = self._model.generation_config.eos_token_id
        self._end_marks = frozenset(end_marks if isinstance(end_marks, list) else [end_marks])
        self._window: int = self._model.config.max_position_embeddings
        self._one_at_a_time = threading.Lock()

    def generate(self, request: Generation, abandoned: Callable[[], bool] = lambda: False) -> list[Written]:
        """What follows the prompts: all sequences of the first prompt, then of the next.

        `abandoned` is asked while it waits for its turn and after every token.

        Raises:
            UnusableRequestError: the prompt and the output asked for do not fit the model's window.
            AbandonedError: nobody waits for the answer any more.
        """
        check_size(request)
        inputs = self._tokenizer(self._prompts(request), return_tensors="pt", padding=True)
        input_tokens = inputs["input_ids"].shape[1]
        new_tokens = new_tokens_allowed(request, input_tokens, self._window)
        stop = _Stop(self, input_tokens, request.stop, abandoned)
        with self._my_turn(abandoned):
            # Always seeded: after a request with a seed, one without would otherwise be repeatable too.
            torch.manual_seed(request.seed) if request.seed is not None else torch.seed()
            sequences = self._model.generate(
                **inputs,
                **{"do_sample": False, **request.options},
                max_new_tokens=new_tokens,
                # SmolLM2 ends many a plain question at once; an empty answer would help nobody.
                min_new_tokens=1,
                stopping_criteria=StoppingCriteriaList([stop]),
            )
        if stop.was_abandoned:
            raise AbandonedError("Nobody waits for this answer any more.")
        prompt_tokens = inputs["attention_mask"].sum(dim=1).tolist()
        each = len(sequences) // len(prompt_tokens)
        return [
            self._written(row, prompt_tokens[index // each], request.stop)
            for index, row in enumerate(sequences[:, input_tokens:])
        ]

    def _prompts(self, request: Generation) -> list[str]:
        if not request.messages:
            return list(request.prompts)
        chat = [dict(message) for message in request.messages]
        return [self._tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)]

    def _written(self, row: torch.Tensor, prompt_tokens: int, stop: tuple[str, ...]) -> Written:
        """One sequence, which others of its batch may have outlived: what follows its end mark is padding."""
        tokens = row.tolist()
        end = next((index for index, token in enumerate(tokens) if token in self._end_marks), None)
        text = self.decode(row[None])[0]
        if any(sequence in text for sequence in stop):
            return Written(_cut_after(text, stop), prompt_tokens, len(tokens) if end is None else end, "stop")
        if end is not None:
            return Written(text, prompt_tokens, end + 1, "end")
        return Written(text, prompt_tokens, len(tokens), "length")

    @contextmanager
    def _my_turn(self, abandoned: Callable[[], bool]) -> Iterator[None]:
        while not self._one_at_a_time.acquire(timeout=ASK_SECONDS):
            if abandoned():
                raise AbandonedError("Nobody waited until it was this request's turn.")
        try:
            yield
        finally:
            self._one_at_a_time.release()

    def decode(self, tokens: torch.Tensor) -> list[str]:
        """The text of each row of `tokens`, without padding and other special tokens."""
        texts: list[str] = self._tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return texts


class _Stop(StoppingCriteria):
    """Ends each sequence whose generated part holds a stop sequence, wherever the tokens' borders lie, and all of
    them once they are abandoned.
    """

    def __init__(
        self, model: TextModel, input_tokens: int, stop: tuple[str, ...], abandoned: Callable[[], bool]
    ) -> None:
        self._model = model
        self._input_tokens = input_tokens
        self._stop = stop
        self._abandoned = abandoned
        self.was_abandoned = False

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:  # noqa: ARG002
        if self._abandoned():
            self.was_abandoned = True
            return torch.ones(len(input_ids), dtype=torch.bool)
        if not self._stop:
            return torch.zeros(len(input_ids), dtype=torch.bool)
        texts = self._model.decode(input_ids[:, self._input_tokens :])
        return torch.tensor([any(stop in text for stop in self._stop) for text in texts])


def _cut_after(text: str, stop: tuple[str, ...]) -> str:
    """The text up to and including its first stop sequence.

    text-generation-inference keeps the stop sequence too (seen in its issue 332).
    """
    ends = [text.index(sequence) + len(sequence) for sequence in stop if sequence in text]
    return text[: min(ends)] if ends else text
