"""What an agent does: typed tools behind the gate."""
