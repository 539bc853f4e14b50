"""Bulk work: items of a fixed manifest answered side by side, checked by code, each result kept once."""
