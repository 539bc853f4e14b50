"""Tools of connected servers: whose account they use, what the operator allows, what they ask, what waits."""
