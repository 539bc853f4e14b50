"""Agents, each with its own context window, folded from rows."""
