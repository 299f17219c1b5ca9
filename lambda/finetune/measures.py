"""What is counted over all rows in a fixed amount of memory: lengths, and rows that repeat an earlier one."""

from bisect import bisect_left
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from common.tokens import estimate_tokens

TOKEN_BOUNDS: Final = (64, 128, 256, 512, 1024, 2048, 4096)
SHORT_WORDS: Final = 100
_EVERY_ROW_UP_TO: Final = 10_000
_THEN_ONE_IN: Final = 20
_ESTIMATED_CHARACTERS: Final = 8192
_BITS: Final = 2**27
_PROBES: Final = 4


@dataclass
class Lengths:
    """Rows by estimated tokens (`common.tokens`: an upper estimate, one to two and a half times the true number).

    The estimate is the slowest part of a check: beyond 10,000 rows every twentieth is estimated and counts for twenty,
    and a long row is estimated by its first 8,192 characters.
    """

    rows: int = 0
    short_rows: int = 0
    over_rows: int = 0
    longest_tokens: int = 0
    counts: list[int] = field(default_factory=lambda: [0] * (len(TOKEN_BOUNDS) + 1))

    def add(self, text: str, *, limit_tokens: int) -> None:
        """Counts a row. `over_rows` are those estimated at more than `limit_tokens`."""
        self.rows += 1
        self.short_rows += len(text.split(maxsplit=SHORT_WORDS)) <= SHORT_WORDS
        weight = 1 if self.rows <= _EVERY_ROW_UP_TO else _THEN_ONE_IN
        if weight > 1 and self.rows % _THEN_ONE_IN:
            return
        tokens = _tokens(text)
        self.longest_tokens = max(self.longest_tokens, tokens)
        self.over_rows += weight * (tokens > limit_tokens)
        self.counts[bisect_left(TOKEN_BOUNDS, tokens)] += weight

    def to_data(self) -> list[dict[str, Any]]:
        """Buckets, each `{"up_to": tokens, or null for the last, "rows": n}`."""
        return [
            {"up_to": bound, "rows": count} for bound, count in zip((*TOKEN_BOUNDS, None), self.counts, strict=True)
        ]


def _tokens(text: str) -> int:
    seen = text[:_ESTIMATED_CHARACTERS]
    return estimate_tokens(seen) * len(text) // max(len(seen), 1)


class Repeats:
    """Whether a text was seen before, in 16 MiB for any number of them (a Bloom filter of four probes).

    No repetition is missed; a text may be taken for one wrongly: 1 in 10,000 of 3 million rows, 1 in 25 of 20 million.
    """

    def __init__(self) -> None:
        self._seen = bytearray(_BITS // 8)
        self.count = 0

    def add(self, text: str) -> bool:
        """Whether this one repeats an earlier one."""
        digest = blake2b(text.encode(), digest_size=4 * _PROBES).digest()
        new = False
        for start in range(0, len(digest), 4):
            bit = int.from_bytes(digest[start : start + 4], "big") % _BITS
            mask = 1 << (bit & 7)
            if not self._seen[bit >> 3] & mask:
                self._seen[bit >> 3] |= mask
                new = True
        self.count += not new
        return not new
