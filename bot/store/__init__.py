"""The only place where state lives: rows, and the agents that wake on them."""
