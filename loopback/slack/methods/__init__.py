"""The methods of the Web API; importing this package enters all of them into the table."""

from loopback.slack.methods import (  # noqa: F401
    agents,
    apps,
    channels,
    chat,
    conversations,
    documents,
    files,
    people,
    reactions,
    streams,
    team,
    views,
)
