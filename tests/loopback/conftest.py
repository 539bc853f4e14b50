"""The ways in which a Bolt app can be connected to the local Slack."""

import pytest


@pytest.fixture(params=("aiohttp", "websockets", "http"))
def way(request):
    """How the app is connected."""
    return request.param
