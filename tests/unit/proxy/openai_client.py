"""OpenAI's own client, unmodified, before the proxy: its HTTP transport ends in the Lambda's handler."""

from typing import Any

import httpx2
from openai import OpenAI
from proxy.serve import serve

from tests.unit.proxy.fakes import Api, event


class _ToProxy(httpx2.BaseTransport):
    """What API Gateway does between a caller and the Lambda."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        body = request.read().decode()
        sent = event(request.method, request.url.path, body or None, headers=dict(request.headers))
        response: dict[str, Any] = serve(sent, None, proxy=lambda: self._api.proxy, clock=self._api.clock)
        return httpx2.Response(response["statusCode"], headers=response["headers"], text=response["body"])


def client(api: Api, *, max_retries: int = 2) -> OpenAI:
    """The client as a user makes it, but for the transport."""
    return OpenAI(
        base_url="http://pilotlight.test/v1",
        api_key="key",
        max_retries=max_retries,
        http_client=httpx2.Client(transport=_ToProxy(api)),
    )
