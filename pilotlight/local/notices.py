"""What was published to SNS topics, kept so that a test can read what a person would have been told."""

import time
from collections import deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

KEPT = 100


@dataclass(frozen=True)
class Notice:
    topic_arn: str
    subject: str
    message: str
    time: str
    """ISO, simulated."""


class Notices:
    """The last 100, oldest first."""

    def __init__(self) -> None:
        self._seen: deque[Notice] = deque(maxlen=KEPT)

    def install(self) -> None:
        """Listen to ministack's SNS, alarms included. Call before its server starts."""
        from ministack.services import sns  # noqa: PLC0415  reads its environment when imported

        fan_out = sns._fanout

        def listen(topic: str, message_id: str, message: str, subject: str, *others: Any, **more: Any) -> Any:
            self.add(topic, subject or "", message)
            return fan_out(topic, message_id, message, subject, *others, **more)

        sns._fanout = listen

    def add(self, topic_arn: str, subject: str, message: str) -> None:
        now = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._seen.append(Notice(topic_arn, subject, message, now))

    def seen(self) -> list[dict[str, str]]:
        return [asdict(notice) for notice in list(self._seen)]
