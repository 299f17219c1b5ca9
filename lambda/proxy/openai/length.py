"""Whether a prompt and its answer fit the model's window, as OpenAI's API says it where they do not."""

from common.tokens import estimate_tokens

from proxy.completion import Completion
from proxy.errors import ContextLengthExceeded
from proxy.window import Window


def fitted(completion: Completion, window: Window | None, *, param: str, mark: int) -> Completion:
    """The completion, its answer shortened to the room that is left if the caller named no length.

    None is a window that is not known. Raises ContextLengthExceeded, with the numbers, where the prompt, or the prompt
    with the answer that was asked for, is longer than the window. `param` is the field that the prompt is in,
    and `mark` counts the tokens that the contract adds to it.
    """
    if window is None:
        return completion
    sampling = completion.sampling
    tokens = estimate_tokens(completion.text) + mark
    left = window.total_tokens - tokens
    wanted = 1 if sampling.max_tokens_is_default else sampling.max_tokens
    if tokens > window.input_tokens or wanted > left:
        raise ContextLengthExceeded(_said(window, tokens, wanted), param=param)
    if sampling.max_tokens <= left:
        return completion
    return completion._replace(sampling=sampling._replace(max_tokens=left))


def _said(window: Window, tokens: int, wanted: int) -> str:
    room = min(window.input_tokens, window.total_tokens - wanted)
    advice = f"shorten the prompt to {room} tokens or less" if room > 0 else "set a smaller max_tokens"
    return (
        f"This model's maximum context length is {window.total_tokens} tokens, of which {window.input_tokens} may be "
        f"the prompt's. However, you requested {tokens + wanted} tokens: {tokens} in the prompt (an estimate, "
        f"rather high), and {wanted} for the completion. To have that many for the completion, {advice}."
    )
