"""Which tools a few words mean."""

from bot.tools.ranking import Entry, first_sentence, ranked, stems

TOOLS = [
    Entry("mcp__books__list-aged-payables", "Bills that were not paid yet, by supplier."),
    Entry("mcp__books__create-invoice", "Makes an invoice. It is sent to the customer.", ("customer", "lines")),
    Entry("mcp__calendar__get_events", "Events of a period.", ("from", "to")),
    Entry("mcp__chat__post_message", "Posts a message to a channel."),
    Entry("mcp__sheets__create_chart", "Draws a chart from a range.", ("range", "kind")),
]


def first(query):
    return ranked(TOOLS, query)[0].rpartition("__")[2]


def test_words_of_the_same_meaning_find_a_tool_that_says_it_otherwise():
    assert first("which meetings do I have today") == "get_events"
    assert first("what do we owe our vendors") == "list-aged-payables"
    assert first("tell the team in the channel") == "post_message"
    assert first("plot these numbers") == "create_chart"


def test_the_very_word_counts_more_than_one_that_means_much_the_same():
    assert first("create an invoice") == "create-invoice"
    assert first("chart") == "create_chart"


def test_what_shares_nothing_with_the_query_is_not_found():
    assert ranked(TOOLS, "weather") == [] and ranked([], "invoice") == []
    assert ranked(TOOLS, "") == []


def test_small_words_find_nothing():
    assert ranked([Entry("mcp__x__tool", "Up and on.")], "what is it on") == []


def test_names_are_cut_into_words_and_sentences_to_size():
    assert stems("listAgedPayables by_supplier") == ["list", "aged", "payabl", "by", "supplier"]
    assert first_sentence("One. Two.") == "One." and len(first_sentence("x" * 500)) == 200
