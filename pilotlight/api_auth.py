"""How a call of the REST API says who is calling: with an API key, or signed by an IAM principal."""

from dataclasses import dataclass
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from requests import PreparedRequest
from requests.auth import AuthBase


@dataclass(frozen=True)
class KeyAuth(AuthBase):
    """The key in both headers, since a stage may take it from one of them only; where both count, they agree."""

    key: str

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers.update({"x-api-key": self.key, "Authorization": f"Bearer {self.key}"})
        return request


@dataclass(frozen=True)
class IamAuth(AuthBase):
    """Signature Version 4 with botocore's `credentials`."""

    credentials: Any
    region: str

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        # Only what is signed: a header that changes on the way would spoil the signature.
        signed = AWSRequest(method=request.method, url=request.url, data=request.body or b"")
        SigV4Auth(self.credentials, "execute-api", self.region).add_auth(signed)
        request.headers.update(dict(signed.headers.items()))
        return request
