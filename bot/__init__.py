"""Cadre: a Slack assistant for knowledge work."""
