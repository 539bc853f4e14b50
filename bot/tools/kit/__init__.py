"""What scripts of skills may import beside their own files: a cell shows it to every script."""
