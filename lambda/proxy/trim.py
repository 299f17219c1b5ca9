"""Cutting a generated text where the answer ends: models run on past it."""


def trim(text: str, at: str) -> str:
    """`text` up to the first `at`, without the whitespace around it."""
    return text.partition(at)[0].strip()
