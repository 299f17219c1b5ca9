"""The page behind the link in the mail that asks for an approval: looking changes nothing, a button decides once."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError
from common.link_token import LinkToken, signed
from proxy.serve import serve

from tests.unit.proxy.fakes import SETTINGS, START, Api, event

KEY = b"a key"
RUN, OTHER = "20261124-170000-ab", "20261124-180000-cd"
TOKEN = LinkToken("approve", RUN, START + 3600, "nonce")
GOOD = signed(TOKEN, KEY)


def waiting(run: str) -> dict[str, Any]:
    return {
        "id": run,
        "status": "running",
        "step": "Approve",
        "token": f"the secret of {run}",
        "artifact": "s3://data-of-test/models/job/",
        "approval": {"until": START + 3600, "facts": [f"Run {run}: it learned <tickets> & more.", "USD 1.50 so far."]},
    }


def sent(api: Api, method: str, token: str = GOOD, **fields: str) -> dict[str, Any]:
    if method == "GET":
        made = event("GET", "/approve", queryStringParameters={"token": token} if token else None)
    else:
        made = event("POST", "/approve") | {"body": urlencode({"token": token, "decision": "approve"} | fields)}
    return serve(made, None, proxy=lambda: api.proxy, clock=api.clock, stage="test")


@pytest.fixture
def api() -> Api:
    made = Api()
    made.runs.records |= {run: waiting(run) for run in (RUN, OTHER)}
    return made


def test_looking_shows_what_the_mail_says_and_two_buttons_and_changes_nothing(api: Api) -> None:
    for _ in range(3):
        response = sent(api, "GET")
    assert (response["statusCode"], response["headers"]["Content-Type"]) == (200, "text/html; charset=utf-8")
    page = response["body"]
    assert "it learned &lt;tickets&gt; &amp; more." in page
    assert "USD 1.50 so far." in page
    assert (page.count('<form method="post">'), page.count(f'value="{GOOD}"')) == (2, 2)
    assert all(f'name="decision" value="{word}"' in page for word in ("approve", "reject"))
    assert api.runs.told == []


def test_it_shows_nothing_else_and_runs_no_script(api: Api) -> None:
    response = sent(api, "GET")
    assert not any(secret in response["body"] for secret in ("secret", "s3://", "<script", OTHER))
    assert response["headers"]["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("decision", "heard", "said"),
    [
        ("approve", {"output": "{}"}, "approved: it is served next"),
        ("reject", {"error": "Rejected", "cause": "by a mail's link"}, "rejected"),
    ],
)
def test_a_button_tells_the_run_of_the_link_and_no_other(
    api: Api, decision: str, heard: dict[str, str], said: str
) -> None:
    response = sent(api, "POST", decision=decision)
    assert (response["statusCode"], said in response["body"]) == (200, True)
    assert api.runs.told == [{"taskToken": f"the secret of {RUN}", **heard}]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("change", [{"step": "Promote"}, {"step": "Done", "status": "done", "token": ""}])
def test_a_run_that_has_gone_on_says_so(api: Api, method: str, change: dict[str, str]) -> None:
    api.runs.records[RUN] |= change
    response = sent(api, method)
    assert (response["statusCode"], "used already" in response["body"]) == (409, True)
    assert f"at {change['step']}" in response["body"]
    assert api.runs.told == []


def test_of_two_who_press_at_once_one_is_told_that_it_is_used(api: Api) -> None:
    """Step Functions takes one word, before the run's record has gone on."""
    api.runs.refusal = ClientError({"Error": {"Code": "TaskTimedOut", "Message": "over"}}, "SendTaskSuccess")
    response = sent(api, "POST")
    assert (response["statusCode"], "used already" in response["body"]) == (409, True)


def test_a_link_whose_word_was_not_heard_stays_good(api: Api) -> None:
    api.runs.refusal = ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow"}}, "SendTaskSuccess")
    assert sent(api, "POST")["statusCode"] == 502
    api.runs.refusal = None
    assert sent(api, "POST")["statusCode"] == 200


BAD = {
    "forged": (signed(TOKEN, b"another key"), 403, "not from a mail of this stage"),
    "cut": (GOOD[:-3], 403, "was cut"),
    "missing": ("", 403, "use `pilot approve`"),
    "to snooze": (signed(replace(TOKEN, purpose="snooze"), KEY), 403, "for something else"),
    "expired": (signed(replace(TOKEN, expires_at=START), KEY), 410, "has expired"),
    "of a run that is not there": (signed(replace(TOKEN, subject="gone"), KEY), 404, "no run"),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_token_gets_a_page_that_says_so_and_decides_nothing(api: Api, method: str, kind: str) -> None:
    token, status, words = BAD[kind]
    response = sent(api, method, token)
    assert (response["statusCode"], words in response["body"]) == (status, True)
    assert response["headers"]["Content-Type"].startswith("text/html")
    assert RUN not in response["body"]
    assert api.runs.told == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_before_the_first_mail_no_link_is_good(api: Api, method: str) -> None:
    api.runs.key = None
    assert sent(api, method)["statusCode"] == 403
    assert api.runs.told == []


@pytest.mark.parametrize("decision", ["", "yes", "<b>"])
def test_a_word_that_is_neither_is_refused(api: Api, decision: str) -> None:
    response = sent(api, "POST", decision=decision)
    assert (response["statusCode"], "approve or reject" in response["body"], "<b>" in response["body"]) == (
        400,
        True,
        False,
    )
    assert api.runs.told == []


def test_where_nothing_is_fine_tuned_there_is_no_such_page() -> None:
    assert sent(Api(replace(SETTINGS, finetune_arn="")), "GET")["statusCode"] == 404
