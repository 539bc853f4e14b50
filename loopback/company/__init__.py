"""The sample company: books, forecast, Drive and channels of an invented company, the same for the same seed.

`generate` makes it, `write` puts it on disk. What was planted for a reviewer to find is described in `planting`.
"""

from loopback.company.company import Company, EntryLine, generate, write

__all__ = ["Company", "EntryLine", "generate", "write"]
