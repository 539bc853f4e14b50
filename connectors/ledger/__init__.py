"""A ledger as an MCP server: balances and entries of a folder of tables, read-only, every figure with its source."""
