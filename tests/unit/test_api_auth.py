"""How `pilot` says who it is."""

import json

import requests
from botocore.credentials import Credentials

from pilotlight.api_auth import IamAuth, KeyAuth

URL = "https://api1234567.execute-api.eu-west-1.amazonaws.com/dev/generate"


def sent(auth: requests.auth.AuthBase, body: object = None) -> requests.PreparedRequest:
    return requests.Request("POST", URL, json=body, auth=auth).prepare()


def test_a_key_stands_in_both_headers() -> None:
    """A stage may listen to one of them only."""
    headers = sent(KeyAuth("my-key")).headers
    assert (headers["x-api-key"], headers["Authorization"]) == ("my-key", "Bearer my-key")


def test_a_signature_is_for_api_gateway_in_that_region() -> None:
    request = sent(IamAuth(Credentials("AKIDEXAMPLE", "secret", "session"), "eu-west-1"), {"text_inputs": "hi"})
    scheme, scope, signed, _ = request.headers["Authorization"].replace(",", "").split()
    assert scheme == "AWS4-HMAC-SHA256"
    assert scope.startswith("Credential=AKIDEXAMPLE/")
    assert scope.endswith("/eu-west-1/execute-api/aws4_request")
    assert signed == "SignedHeaders=host;x-amz-date;x-amz-security-token"
    assert request.headers["X-Amz-Security-Token"] == "session"
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.body or b"") == {"text_inputs": "hi"}


def test_a_signature_covers_the_body() -> None:
    auth = IamAuth(Credentials("AKIDEXAMPLE", "secret"), "eu-west-1")
    one, other = (sent(auth, {"text_inputs": text}).headers["Authorization"] for text in ("hi", "ho"))
    assert one != other
