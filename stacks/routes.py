"""The routes of the REST API, one line each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Route:
    """A method and a path. One that changes something takes the admin key, or IAM; one that is open takes nobody's
    key, and throttles everybody: what it is sent says whether it may. One `of_fine_tuning` is there only where the
    stage's model can be fine-tuned.
    """

    method: str
    path: str
    changes_something: bool = False
    is_open: bool = False
    of_fine_tuning: bool = False

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
    Route("GET", "/v1/models/{model+}"),  # names may have slashes in them
    Route("GET", "/openapi.json"),
    # The pages behind the links in mails: a signed token in the place of a key
    Route("GET", "/snooze", is_open=True),
    Route("POST", "/snooze", is_open=True),
    Route("GET", "/approve", is_open=True, of_fine_tuning=True),
    Route("POST", "/approve", is_open=True, of_fine_tuning=True),
)


def routes_of(*, fine_tunes: bool) -> tuple[Route, ...]:
    """Those of a stage. The others of fine-tuning take a key, and then say that there is none here."""
    return tuple(route for route in ROUTES if fine_tunes or not route.of_fine_tuning)
