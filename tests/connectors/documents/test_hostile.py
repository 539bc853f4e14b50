"""Files made to harm: each ends within its limits and with words, and the next document is read."""

from __future__ import annotations

import asyncio
import re

import pytest

from connectors.documents import confined
from connectors.errors import Unreadable

from .hostile import FILES


@pytest.mark.parametrize("what", FILES)
def test_a_hostile_file_ends_with_words_and_the_next_document_is_read(what):
    make, kind, words = FILES[what]
    name = "given.docx" if "named" in what else "given"

    async def scenario():
        try:
            return await confined.read(name, make())
        except Unreadable as error:
            return error
        finally:
            assert (await confined.read("next", b"words")).text == "words"

    ended = asyncio.run(scenario())
    if kind is None:
        assert not isinstance(ended, Unreadable), ended
        assert "root:" not in ended.text and len(ended.text) < 5_000_000
        assert re.search(words, " ".join(ended.unread)), ended.unread
    else:
        assert isinstance(ended, kind) and name in str(ended)
        assert re.search(words, str(ended)), str(ended)
