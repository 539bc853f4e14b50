"""Cadre as an MCP server: other assistants start work, follow it and answer its questions as a person of Slack."""
