"""The page behind the link in a mail: what looks at it changes nothing, and its button works once."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from common.link_token import LinkToken, signed
from proxy.errors import ControlPlaneFailed
from proxy.serve import serve

from tests.unit.proxy.fakes import START, Api, event, moment
from tests.unit.proxy.test_proxy_endpoint import ON

KEY = b"a key"
TOKEN = LinkToken("snooze", "pilotlight-test", START + 600, "nonce")
GOOD = signed(TOKEN, KEY)


def sent(api: Api, method: str, token: str, **fields: Any) -> dict[str, Any]:
    if method == "GET":
        made = event("GET", "/snooze", queryStringParameters={"token": token} if token else None, **fields)
    else:
        made = event("POST", "/snooze") | {"body": urlencode({"token": token})} | fields
    return serve(made, None, proxy=lambda: api.proxy, clock=api.clock, stage="test")


@pytest.fixture
def api() -> Api:
    made = Api()
    made.control_plane.known = ON
    return made


class TestLooking:
    def test_it_shows_a_button_that_posts_the_token_and_changes_nothing(self, api: Api) -> None:
        for _ in range(3):
            response = sent(api, "GET", GOOD)
        assert response["statusCode"] == 200
        assert response["headers"]["Content-Type"].startswith("text/html")
        assert '<form method="post">' in response["body"]
        assert f'value="{GOOD}"' in response["body"]
        assert "<script" not in response["body"]
        assert (api.switch.snoozed, api.switch.used, api.switch.started) == (None, set(), [])

    def test_it_is_not_cached_nor_framed_and_tells_nobody_its_address(self, api: Api) -> None:
        headers = sent(api, "GET", GOOD)["headers"]
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


class TestPressing:
    def test_it_is_snoozed_for_two_hours(self, api: Api) -> None:
        response = sent(api, "POST", GOOD)
        assert response["statusCode"] == 200
        assert api.switch.snoozed == moment() + timedelta(hours=2)
        assert "not turned off for idling before" in response["body"]

    def test_it_works_once(self, api: Api) -> None:
        assert sent(api, "POST", GOOD)["statusCode"] == 200
        api.switch.snoozed = None
        for method in ("POST", "GET"):
            response = sent(api, method, GOOD)
            assert (response["statusCode"], "used already" in response["body"]) == (409, True)
        assert api.switch.snoozed is None

    def test_a_longer_snooze_stays(self, api: Api) -> None:
        api.switch.kept["snooze"] = {"until": START + 9 * 3600}
        assert sent(api, "POST", GOOD)["statusCode"] == 200
        assert api.switch.snoozed is None

    def test_an_endpoint_that_is_off_is_not_snoozed_and_the_link_stays_good(self, api: Api) -> None:
        api.control_plane.known = replace(ON, endpoint=None)
        response = sent(api, "POST", GOOD)
        assert (response["statusCode"], "off already" in response["body"]) == (409, True)
        assert (api.switch.snoozed, api.switch.used) == (None, set())

    def test_aws_that_cannot_be_asked_is_told_and_the_link_stays_good(self, api: Api) -> None:
        api.control_plane.known = ControlPlaneFailed("SageMaker would not say.")
        response = sent(api, "POST", GOOD)
        assert (response["statusCode"], "SageMaker would not say" in response["body"]) == (502, True)
        assert api.switch.used == set()


BAD = {
    "forged": (signed(TOKEN, b"another key"), 403, "not from a mail of this stage"),
    "cut": (GOOD[:-3], 403, "was cut"),
    "missing": ("", 403, "Copy the whole link"),
    "to approve": (signed(replace(TOKEN, purpose="approve"), KEY), 403, "for something else"),
    "expired": (signed(replace(TOKEN, expires_at=START), KEY), 410, "has expired"),
    "of another endpoint": (signed(replace(TOKEN, subject="pilotlight-other"), KEY), 403, "another endpoint"),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
class TestBadTokens:
    @pytest.mark.parametrize("kind", BAD)
    def test_each_gets_a_page_that_says_so_and_acts_not(self, api: Api, method: str, kind: str) -> None:
        token, status, words = BAD[kind]
        response = sent(api, method, token)
        assert (response["statusCode"], words in response["body"]) == (status, True)
        assert response["headers"]["Content-Type"].startswith("text/html")
        assert (api.switch.snoozed, api.switch.used) == (None, set())

    def test_before_the_first_mail_there_is_no_good_one(self, api: Api, method: str) -> None:
        api.switch.key = None
        assert sent(api, method, GOOD)["statusCode"] == 403
        assert api.switch.snoozed is None


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"body": "token=" + "x" * 5000}, 413),
        ({"body": "%%%", "isBase64Encoded": True}, 400),
        ({"body": None}, 403),
        ({"body": '{"token": "x"}'}, 403),
        ({"httpMethod": "PUT"}, 405),
        ({"headers": {"X-Request-Timeout-Ms": "soon"}}, 400),
    ],
)
def test_nonsense_is_refused_in_words(api: Api, fields: dict[str, Any], status: int) -> None:
    response = sent(api, "POST", GOOD, **fields)
    assert response["statusCode"] == status
    assert response["headers"]["Content-Type"].startswith("text/html")
    assert api.switch.snoozed is None
