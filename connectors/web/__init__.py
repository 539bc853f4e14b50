"""Pages of the web, fetched only from where it is allowed and only from public addresses."""
