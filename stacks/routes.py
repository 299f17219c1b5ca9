"""The routes of the REST API, one line each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Route:
    """A method and a path. One that changes something takes the admin key, or IAM; one that is open takes nobody's
    key, and throttles everybody: what it is sent says whether it may.
    """

    method: str
    path: str
    changes_something: bool = False
    is_open: bool = False

    @property
    def takes_any_key(self) -> bool:
        return not (self.changes_something or self.is_open)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


ROUTES = (
    Route("POST", "/generate"),
    Route("GET", "/endpoint"),
    Route("POST", "/endpoint", changes_something=True),
    Route("POST", "/endpoint/snooze", changes_something=True),
    Route("GET", "/tasks"),
    Route("POST", "/tasks/{task}"),
    Route("POST", "/finetunes", changes_something=True),
    Route("GET", "/finetunes/{id}"),
    Route("POST", "/finetunes/{id}/approval", changes_something=True),
    # OpenAI's
    Route("POST", "/v1/chat/completions"),
    Route("POST", "/v1/completions"),
    Route("GET", "/v1/models"),
    Route("GET", "/openapi.json"),
    # The page behind the link in a mail: a signed token in the place of a key
    Route("GET", "/snooze", is_open=True),
    Route("POST", "/snooze", is_open=True),
)
