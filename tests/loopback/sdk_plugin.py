"""A pytest plugin for Slack's own SDK tests: every client they make talks to `SLACK_BASE_URL`. Nothing else changes."""

import os
from functools import wraps

from slack_sdk.web.async_base_client import AsyncBaseClient
from slack_sdk.web.base_client import BaseClient
from slack_sdk.web.legacy_base_client import LegacyBaseClient

for client in (BaseClient, AsyncBaseClient, LegacyBaseClient):

    def aimed(made):
        @wraps(made)
        def init(self, *args, **kwargs):
            kwargs.setdefault("base_url", os.environ["SLACK_BASE_URL"])
            made(self, *args, **kwargs)

        return init

    client.__init__ = aimed(client.__init__)
