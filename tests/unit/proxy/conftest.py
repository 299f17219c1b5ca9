"""The API under test, over each contract."""

from dataclasses import replace

import pytest

from tests.unit.proxy.fakes import SETTINGS, Api


@pytest.fixture
def api() -> Api:
    """An AlexaTM behind the proxy."""
    return Api()


@pytest.fixture
def tgi() -> Api:
    """A Falcon behind the proxy."""
    return Api(replace(SETTINGS, model="falcon-7b-instruct", contract="tgi"))
