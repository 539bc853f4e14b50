"""Cadre as an MCP server: other assistants start work, follow it and answer its questions as a person of Slack."""

from __future__ import annotations

from bot.types import Json

PATH = "/mcp"


def manifest_entry(public_url: str) -> Json:
    """`mcp_servers` of the Slack app's manifest; empty where Slack could not reach us. Callers bring a token."""
    if not public_url.startswith("https://"):
        return {}
    return {"cadre": {"url": f"{public_url}{PATH}", "auth_type": "manual_auth"}}
