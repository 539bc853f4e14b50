"""Kills the process while it works and compares what people end up with; run by `cadre drill kill`."""
