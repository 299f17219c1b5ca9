"""The routes of the REST API, one line each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Route:
    """A method and a path. One that changes something takes the admin key, or IAM."""

    method: str
    path: str
    changes_something: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


ROUTES = (
    Route("POST", "/generate"),
    Route("GET", "/endpoint"),
    Route("POST", "/endpoint", changes_something=True),
    Route("POST", "/endpoint/snooze", changes_something=True),
    Route("GET", "/tasks"),
    Route("POST", "/tasks/{task}"),
    # OpenAI's
    Route("POST", "/v1/chat/completions"),
    Route("POST", "/v1/completions"),
    Route("GET", "/v1/models"),
    Route("GET", "/openapi.json"),
)
