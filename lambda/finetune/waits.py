"""How long a step waits before it looks again."""

from typing import Final

SHORTEST_SECONDS: Final = 5
LONGEST_SECONDS: Final = 900


def pause(seconds: float) -> int:
    """A tenth of how long it has lasted: what is over in a minute is seen at once, what takes days fills no history.

    Step Functions ends an execution at 25,000 events, uncaught, and a look is nine.
    """
    return int(min(LONGEST_SECONDS, max(SHORTEST_SECONDS, seconds / 10)))
