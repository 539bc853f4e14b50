"""A Slack workspace on loopback: Web API, Socket Mode, people, and a page to watch and take part.

An unmodified Bolt app works against it with a base URL and the tokens of the ready file, nothing else.
"""

from loopback.slack.server import Running, start

__all__ = ["Running", "start"]
