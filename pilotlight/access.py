"""Who may call the REST API: how the keys of [stages.NAME.api] fit each other. Pure rules."""

from collections.abc import Iterator

from pilotlight.choice import Choice
from pilotlight.config_errors import Problem


def problems(choice: Choice) -> Iterator[Problem]:
    """Everything about the API's access that forbids this choice."""
    yield from _keys_under_iam(choice)
    yield from _quota(choice)
    yield from _origins(choice)


def _keys_under_iam(choice: Choice) -> Iterator[Problem]:
    api = choice.table.api
    if api.auth != "iam":
        return
    for name in ("key_header", "quota_requests", "quota_period"):
        if name in api.model_fields_set:
            yield Problem(
                key=choice.key(f"api.{name}"),
                value=getattr(api, name),
                reason='there are no API keys where auth = "iam"',
                allowed=f'no {name} beside auth = "iam"',
                fix=f'remove {name}, or write auth = "key"',
            )


def _quota(choice: Choice) -> Iterator[Problem]:
    api = choice.table.api
    if api.auth == "key" and "quota_period" in api.model_fields_set and api.quota_requests is None:
        yield Problem(
            key=choice.key("api.quota_period"),
            value=api.quota_period,
            reason="a period alone is no quota",
            allowed="quota_period beside quota_requests",
            fix="write, for example: quota_requests = 10000; or remove quota_period",
        )


def _origins(choice: Choice) -> Iterator[Problem]:
    origins = choice.table.api.cors_origins
    key = choice.key("api.cors_origins")
    if "*" in origins and len(origins) > 1:
        yield Problem(
            key=key,
            value=origins,
            reason='"*" is every origin already',
            allowed='["*"] alone, or origins by name',
            fix='write cors_origins = ["*"], or remove "*"',
        )
    elif len(set(origins)) < len(origins):
        yield Problem(
            key=key,
            value=origins,
            reason="an origin stands in the list twice",
            allowed="different origins",
            fix="remove the repetition",
        )
