"""The API under test, over each contract."""

from dataclasses import replace

import pytest

from tests.unit.proxy.fakes import SETTINGS, Api, template_text


@pytest.fixture
def api() -> Api:
    """An AlexaTM behind the proxy."""
    return Api()


@pytest.fixture
def tgi() -> Api:
    """A Falcon behind the proxy."""
    return Api(
        replace(SETTINGS, model="falcon-7b-instruct", contract="tgi", chat_template=template_text("falcon-instruct"))
    )


@pytest.fixture
def vllm() -> Api:
    """A container of the user's own behind the proxy, with a chat template of its own."""
    return Api(replace(SETTINGS, model="custom", contract="openai", chat_template=""))
