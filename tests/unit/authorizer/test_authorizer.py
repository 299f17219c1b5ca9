"""The authorizer as API Gateway sees it: an event in; a policy, a key for the usage plan and a refusal out."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from authorizer import credentials
from authorizer.admin_key import AdminKey, AdminKeyUnknown
from authorizer.handler import Settings, authorize, lambda_handler
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

KEY = "callers0key0of0forty0letters0and0digits0"
ADMIN_KEY = "admins0key0of0forty0letters0and0digits00"
SETTINGS = Settings(
    key_header="any", open_routes=frozenset({"POST /generate", "GET /endpoint"}), admin_key_id="adminkeyid"
)
STAGE = "arn:aws:execute-api:us-east-1:111122223333:api1234567/dev"

Event = dict[str, Any]


def event(route: str = "POST /generate", /, **headers: object) -> Event:
    """What API Gateway sends for a request with these headers, `_` for `-`; a list is a header sent so often."""
    method, _, resource = route.partition(" ")
    several = {name.replace("_", "-"): value if isinstance(value, list) else [value] for name, value in headers.items()}
    return {
        "type": "REQUEST",
        "methodArn": f"{STAGE}/{method}{resource}",
        "resource": resource,
        "path": resource,
        "httpMethod": method,
        "headers": {name: values[-1] for name, values in several.items()},
        "multiValueHeaders": several,
    }


@dataclass
class FakeApiGateway:
    """Knows one key's value, or fails as often as it is told to."""

    value: str | None = ADMIN_KEY
    failures: list[Exception] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def get_api_key(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        if self.failures:
            raise self.failures.pop(0)
        return {"id": request["apiKey"], "value": self.value}


@dataclass(frozen=True)
class Answer:
    """What API Gateway makes of an authorizer's answer."""

    raw: dict[str, Any]

    @property
    def allowed(self) -> bool:
        (statement,) = self.raw["policyDocument"]["Statement"]
        assert (statement["Action"], statement["Resource"]) == ("execute-api:Invoke", f"{STAGE}/*")
        assert (statement["Effect"] == "Allow") is ("usageIdentifierKey" in self.raw)
        return bool(statement["Effect"] == "Allow")

    @property
    def key(self) -> str:
        assert self.allowed
        return str(self.raw["usageIdentifierKey"])

    @property
    def refusal(self) -> str:
        assert not self.allowed
        return str(self.raw["context"]["refusal"])


class Authorizer:
    def __init__(self, **settings: Any) -> None:
        self.gateway = FakeApiGateway()
        self._settings = replace(SETTINGS, **settings)
        self._admin_key = AdminKey(self._settings.admin_key_id, lambda: self.gateway)

    def __call__(self, sent: Event) -> Answer:
        answer = authorize(sent, self._settings, self._admin_key)
        assert json.loads(json.dumps(answer)) == answer
        return Answer(answer)


@pytest.fixture
def authorizer() -> Authorizer:
    return Authorizer()


BOTH_WAYS: dict[str, dict[str, object]] = {
    "x-api-key": {"x_api_key": KEY},
    "X-API-KEY": {"X_API_KEY": KEY},
    "bearer": {"Authorization": f"Bearer {KEY}"},
    "lower-case scheme": {"authorization": f"bearer {KEY}"},
    "upper-case scheme": {"Authorization": f"BEARER {KEY}"},
    "several spaces": {"Authorization": f"Bearer   {KEY}"},
    "whitespace around": {"x_api_key": f" \t{KEY} "},
    "both, the same": {"x_api_key": KEY, "Authorization": f"Bearer {KEY}"},
    "an empty x-api-key beside": {"x_api_key": "", "Authorization": f"Bearer {KEY}"},
    "an empty Authorization beside": {"x_api_key": KEY, "Authorization": " "},
    "what clients send besides": {"x_api_key": KEY, "Host": "h", "User_Agent": "u", "X_Forwarded_For": "1.2.3.4"},
}


class TestTheKeyThatIsShown:
    @pytest.mark.parametrize("name", BOTH_WAYS)
    def test_either_header_will_do(self, authorizer: Authorizer, name: str) -> None:
        assert authorizer(event(**BOTH_WAYS[name])).key == KEY

    def test_an_event_without_the_headers_all_values_is_read_too(self, authorizer: Authorizer) -> None:
        sent = event(x_api_key=KEY) | {"multiValueHeaders": None}
        assert authorizer(sent).key == KEY

    def test_whether_it_exists_is_the_gateways_to_check(self, authorizer: Authorizer) -> None:
        """The authorizer knows no caller's key: it hands over what it was shown."""
        assert authorizer(event(x_api_key="no-such-key")).key == "no-such-key"
        assert authorizer.gateway.asked == []

    @pytest.mark.parametrize(
        ("headers", "refusal"),
        [
            ({}, credentials.NO_KEY),
            ({"x_api_key": ""}, credentials.NO_KEY),
            ({"x_api_key": " \t"}, credentials.NO_KEY),
            ({"Authorization": ""}, credentials.NO_KEY),
            ({"Authorization": "Bearer"}, credentials.NOT_BEARER),
            ({"Authorization": "Bearer "}, credentials.NOT_BEARER),
            ({"Authorization": KEY}, credentials.NOT_BEARER),
            ({"Authorization": f"Bearer{KEY}"}, credentials.NOT_BEARER),
            ({"Authorization": f"Bearer\t{KEY}"}, credentials.NOT_BEARER),
            ({"Authorization": f"Bearer {KEY} {KEY}"}, credentials.NOT_BEARER),
            ({"Authorization": f"Basic {KEY}"}, credentials.NOT_BEARER),
            ({"Authorization": f"Bearer\u00a0{KEY}"}, credentials.NOT_BEARER),
            ({"Authorization": f"Bea\u0280er {KEY}"}, credentials.NOT_BEARER),
            ({"x_api_key": KEY, "Authorization": "Basic dTpw"}, credentials.NOT_BEARER),
            ({"x_api_key": [KEY, KEY]}, credentials.TWICE),
            ({"x_api_key": [KEY, "another"]}, credentials.TWICE),
            ({"x_api_key": KEY, "X_Api_Key": KEY}, credentials.TWICE),
            ({"Authorization": [f"Bearer {KEY}", f"Bearer {KEY}"]}, credentials.TWICE),
            ({"x_api_key": f"{KEY}, {KEY}"}, credentials.NOT_A_KEY),
            ({"x_api_key": f"{KEY} another"}, credentials.NOT_A_KEY),
            ({"x_api_key": "k" * 129}, credentials.NOT_A_KEY),
            ({"x_api_key": "k" * 10_000_000}, credentials.NOT_A_KEY),
            ({"x_api_key": "schlüssel" + KEY}, credentials.NOT_A_KEY),
            ({"x_api_key": "\uff4b" + KEY}, credentials.NOT_A_KEY),
            ({"x_api_key": KEY + "\ud800"}, credentials.NOT_A_KEY),
            ({"x_api_key": f"{KEY}\n"}, credentials.NOT_A_KEY),
            ({"x_api_key": f"{KEY}\x00"}, credentials.NOT_A_KEY),
            ({"x_api_key": f'{KEY}"'}, credentials.NOT_A_KEY),
            ({"x_api_key": f"Bearer {KEY}"}, credentials.NOT_A_KEY),
            ({"Authorization": "Bearer " + "k" * 129}, credentials.NOT_A_KEY),
            ({"Authorization": f"Bearer {KEY},{KEY}"}, credentials.NOT_A_KEY),
            ({"x_api_key": KEY, "Authorization": "Bearer another"}, credentials.DISAGREE),
            ({"x_api_key": KEY, "Authorization": f"Bearer {ADMIN_KEY}"}, credentials.DISAGREE),
        ],
    )
    def test_what_is_missing_or_can_be_read_in_two_ways_is_refused(
        self, authorizer: Authorizer, headers: dict[str, object], refusal: str
    ) -> None:
        for route in ("POST /generate", "POST /endpoint"):
            assert authorizer(event(route, **headers)).refusal == refusal

    @pytest.mark.parametrize("headers", [None, "x-api-key", 7, ["x-api-key", KEY]])
    def test_headers_of_another_shape_hold_no_key(self, authorizer: Authorizer, headers: object) -> None:
        sent = event() | {"headers": headers, "multiValueHeaders": headers}
        assert authorizer(sent).refusal == credentials.NO_KEY

    @given(st.text(max_size=200), st.text(max_size=200))
    def test_whatever_is_sent_is_answered_and_never_quoted(self, one: str, other: str) -> None:
        answer = Authorizer()(event(x_api_key=one, Authorization=other))
        if not answer.allowed:
            assert answer.refusal in {
                credentials.NO_KEY,
                credentials.NOT_BEARER,
                credentials.NOT_A_KEY,
                credentials.DISAGREE,
            }

    def test_a_refusal_can_stand_between_quotation_marks(self) -> None:
        """A gateway response's template puts it there as it is."""
        sentences = [value for name, value in vars(credentials).items() if name.isupper() and isinstance(value, str)]
        assert len(sentences) > 5
        for sentence in sentences:
            assert json.loads(f'"{sentence}"') == sentence


class TestTheOneHeaderThatAnswersAreCachedBy:
    """With caching, the answer to one request is the answer to every later one with the same value in that header."""

    @pytest.mark.parametrize(
        ("key_header", "right", "other"),
        [
            ("x-api-key", {"x_api_key": KEY}, {"Authorization": f"Bearer {KEY}"}),
            ("authorization", {"Authorization": f"Bearer {KEY}"}, {"x_api_key": KEY}),
        ],
    )
    def test_a_key_in_the_other_header_does_not_count(
        self, key_header: str, right: dict[str, object], other: dict[str, object]
    ) -> None:
        authorizer = Authorizer(key_header=key_header)
        assert authorizer(event(**right)).key == KEY
        assert authorizer(event(**right, **other)).key == KEY
        assert authorizer(event(**other)).refusal == credentials.NO_HEADER.format(header=key_header)

    def test_the_other_headers_key_is_not_let_in_under_this_ones_value(self) -> None:
        authorizer = Authorizer(key_header="authorization")
        answer = authorizer(event(Authorization="Bearer anything", x_api_key=KEY))
        assert answer.refusal == credentials.DISAGREE


ADMIN_ROUTES = ("POST /endpoint", "DELETE /generate", "POST /endpoint/snooze", "post /generate", "POST /{proxy+}")


class TestRoutesThatChangeSomething:
    @pytest.mark.parametrize("route", ADMIN_ROUTES)
    def test_whatever_is_not_listed_as_open_takes_the_admin_key(self, authorizer: Authorizer, route: str) -> None:
        assert "admin key" in authorizer(event(route, x_api_key=KEY)).refusal
        assert authorizer(event(route, x_api_key=ADMIN_KEY)).key == ADMIN_KEY
        assert authorizer(event(route, Authorization=f"Bearer {ADMIN_KEY}")).key == ADMIN_KEY

    @pytest.mark.parametrize("route", sorted(SETTINGS.open_routes))
    def test_the_admin_key_opens_all_routes(self, authorizer: Authorizer, route: str) -> None:
        assert authorizer(event(route, x_api_key=ADMIN_KEY)).key == ADMIN_KEY

    @pytest.mark.parametrize("path", ["/endpoint/", "//endpoint", "/%65ndpoint", "/generate"])
    def test_another_spelling_of_the_path_is_no_way_in(self, authorizer: Authorizer, path: str) -> None:
        """What counts is the resource that API Gateway found, which is the one that it calls."""
        as_sent = {"path": path, "methodArn": f"{STAGE}/POST{path}"}
        assert not authorizer(event("POST /endpoint", x_api_key=KEY) | as_sent).allowed
        assert authorizer(event("POST /generate", x_api_key=KEY) | as_sent).allowed

    @pytest.mark.parametrize("missing", ["resource", "httpMethod"])
    def test_a_route_that_is_not_stated_takes_the_admin_key(self, authorizer: Authorizer, missing: str) -> None:
        sent = event(x_api_key=KEY)
        del sent[missing]
        assert not authorizer(sent).allowed

    @pytest.mark.parametrize("almost", [ADMIN_KEY[:-1], ADMIN_KEY + "0", ADMIN_KEY.upper(), ADMIN_KEY[::-1]])
    def test_almost_the_admin_key_is_not_the_admin_key(self, authorizer: Authorizer, almost: str) -> None:
        assert not authorizer(event("POST /endpoint", x_api_key=almost)).allowed


class TestTheAdminKeysValue:
    def test_it_is_read_once_and_only_when_a_route_needs_it(self, authorizer: Authorizer) -> None:
        authorizer(event("POST /generate", x_api_key=KEY))
        assert authorizer.gateway.asked == []
        for key in (KEY, ADMIN_KEY, KEY):
            authorizer(event("POST /endpoint", x_api_key=key))
        assert authorizer.gateway.asked == [{"apiKey": "adminkeyid", "includeValue": True}]

    @pytest.mark.parametrize(
        "failure",
        [
            ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetApiKey"),
            ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "slow down"}}, "GetApiKey"),
            EndpointConnectionError(endpoint_url="https://apigateway"),
        ],
    )
    def test_where_it_cannot_be_read_nobody_gets_in_and_the_next_call_tries_again(
        self, authorizer: Authorizer, failure: Exception
    ) -> None:
        authorizer.gateway.failures = [failure]
        with pytest.raises(AdminKeyUnknown):
            authorizer(event("POST /endpoint", x_api_key=ADMIN_KEY))
        assert authorizer(event("POST /endpoint", x_api_key=ADMIN_KEY)).allowed

    def test_open_routes_do_not_depend_on_it(self, authorizer: Authorizer) -> None:
        authorizer.gateway.failures = [EndpointConnectionError(endpoint_url="https://apigateway")]
        assert authorizer(event("POST /generate", x_api_key=KEY)).allowed

    @pytest.mark.parametrize("value", [None, "", "short"])
    def test_a_value_that_is_none_opens_nothing(self, authorizer: Authorizer, value: str | None) -> None:
        authorizer.gateway.value = value
        with pytest.raises(AdminKeyUnknown):
            authorizer(event("POST /endpoint", x_api_key=value or KEY))


class TestWhatIsTold:
    def test_callers_are_told_apart_without_their_keys(self, authorizer: Authorizer) -> None:
        one, again, other = (authorizer(event(x_api_key=key)).raw["principalId"] for key in (KEY, KEY, ADMIN_KEY))
        assert one == again != other
        assert KEY not in one

    @pytest.mark.parametrize("route", ["POST /generate", "POST /endpoint"])
    def test_the_log_has_one_line_and_no_key(
        self, authorizer: Authorizer, route: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        answer = authorizer(event(route, x_api_key=KEY) | {"requestContext": {"requestId": "request-1"}})
        (line,) = capsys.readouterr().out.splitlines()
        logged = json.loads(line)
        assert (logged["route"], logged["allowed"]) == (route, answer.allowed)
        assert logged["request_id"] == "request-1"
        assert KEY not in line

    @pytest.mark.parametrize("context", [None, {}, "request-1"])
    def test_a_request_without_an_id_is_logged_all_the_same(
        self, authorizer: Authorizer, context: object, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert authorizer(event(x_api_key=KEY) | {"requestContext": context}).allowed
        assert json.loads(capsys.readouterr().out)["request_id"] is None


ENVIRONMENT = {"KEY_HEADER": "any", "OPEN_ROUTES": '["POST /generate", "GET /endpoint"]', "ADMIN_KEY_ID": "adminkeyid"}


class TestSettings:
    def test_they_come_from_the_environment(self) -> None:
        assert Settings.from_environment(ENVIRONMENT) == SETTINGS

    @pytest.mark.parametrize("missing", ENVIRONMENT)
    def test_without_one_of_them_nothing_is_answered(self, missing: str) -> None:
        rest = {name: value for name, value in ENVIRONMENT.items() if name != missing}
        with pytest.raises(KeyError):
            Settings.from_environment(rest)


def test_the_deployed_handler_reads_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert Answer(lambda_handler(event(x_api_key=KEY), None)).key == KEY
