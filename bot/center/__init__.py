"""The command center's pages: read-only views over the journal."""
