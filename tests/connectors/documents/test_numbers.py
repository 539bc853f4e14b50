"""Tagged figures stand where they say, are worth what they say, and their sums are checked."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.documents.numbers import (
    Tie,
    check,
    conflicts,
    pieces_of,
    read_disclosures,
    read_facts,
    read_filing,
    read_ties,
    value_of,
    wrong_places,
)
from connectors.documents.reading import read
from connectors.errors import BadInput, Unreadable

FILINGS = Path(__file__).parents[4] / "shared" / "data" / "filings"
PAGE = """<?xml version="1.0" encoding="utf-8"?>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:ix="http://www.xbrl.org/2013/inlineXBRL"><head><title>x</title></head><body>
<div style="display:none"><ix:header><ix:hidden><ix:nonFraction name="dei:Hidden" contextRef="q" unitRef="u">5</ix:nonFraction></ix:hidden>
<ix:resources><xbrli:context id="q"><xbrli:entity><xbrli:identifier>1</xbrli:identifier></xbrli:entity><xbrli:period>
<xbrli:startDate>2026-01-01</xbrli:startDate><xbrli:endDate>2026-03-31</xbrli:endDate></xbrli:period></xbrli:context>
<xbrli:context id="i"><xbrli:entity><xbrli:segment><xbrldi:explicitMember dimension="x:Axis">x:North</xbrldi:explicitMember></xbrli:segment></xbrli:entity>
<xbrli:period><xbrli:instant>2026-03-31</xbrli:instant></xbrli:period></xbrli:context>
<xbrli:unit id="u"><xbrli:measure>iso4217:USD</xbrli:measure></xbrli:unit>
<xbrli:unit id="s"><xbrli:divide><xbrli:unitNumerator><xbrli:measure>iso4217:USD</xbrli:measure></xbrli:unitNumerator>
<xbrli:unitDenominator><xbrli:measure>xbrli:shares</xbrli:measure></xbrli:unitDenominator></xbrli:divide></xbrli:unit></ix:resources></ix:header></div>
<p>In millions</p>
<table><tr><td>Sales</td><td>$</td><td><ix:nonFraction name="x:Sales" contextRef="q" unitRef="u" decimals="-6" scale="6" format="ixt:num-dot-decimal">1,250</ix:nonFraction></td></tr>
<tr><td>Cost</td><td>(</td><td><ix:nonFraction name="x:Cost" contextRef="q" unitRef="u" decimals="-6" scale="6" sign="-">250.5</ix:nonFraction></td><td>)</td></tr>
<tr><td>Other</td><td><ix:nonFraction name="x:Other" contextRef="i" unitRef="u" scale="6" format="ixt:fixed-zero">—</ix:nonFraction></td></tr>
<tr><td>Per share</td><td><ix:nonFraction name="x:PerShare" contextRef="q" unitRef="s" decimals="2" scale="0">0.42</ix:nonFraction></td></tr></table>
<p><ix:nonNumeric name="x:Policy" contextRef="q" id="p1" continuedAt="p2">We assess <b>risks</b> of our vendors.</ix:nonNumeric></p><p>Between.</p>
<p><ix:continuation id="p2">Each year.</ix:continuation> <ix:nonNumeric name="x:Flag" contextRef="q" format="ixt:fixed-true" id="f">Yes</ix:nonNumeric></p>
</body></html>"""


def test_figures_of_a_filing_have_place_value_unit_and_period():
    document, facts, _ = read_filing("q.htm", PAGE.encode())
    assert document.text == read("q.htm", PAGE.encode()).text and "Hidden" not in document.text
    assert "Sales\t$1,250\nCost\t(250.5)\nOther\t—\nPer share\t0.42" in document.text
    seen = {fact.concept: fact for fact in facts}
    assert [document.text[slice(*fact.span)] for fact in facts] == ["1,250", "250.5", "—", "0.42"]
    assert seen["x:Sales"].value == Decimal("1250000000") and seen["x:Cost"].value == Decimal("-250500000")
    assert (seen["x:Sales"].start, seen["x:Sales"].end, seen["x:Sales"].unit) == ("2026-01-01", "2026-03-31", "USD")
    assert (seen["x:Other"].start, seen["x:Other"].end, seen["x:Other"].dimensions) == (
        "",
        "2026-03-31",
        "x:Axis=x:North",
    )
    assert seen["x:Other"].value == 0 and seen["x:PerShare"].unit == "USD/shares"
    assert document.anchor(seen["x:Cost"].span[0]).place == "line 4"
    assert wrong_places(document, facts) == ()


def test_tagged_passages_run_on_at_their_further_pieces():
    document, _, passages = read_filing("q.htm", PAGE.encode())
    policy = next(p for p in passages if p.concept == "x:Policy")
    assert [p.displayed for p in pieces_of(policy, passages)] == ["We assess risks of our vendors.", "Each year."]
    assert [document.text[slice(*p.span)] for p in passages if p.flag is True] == ["Yes"]


def test_a_figure_that_is_not_where_it_says_is_named():
    document, facts, _ = read_filing("q.htm", PAGE.replace(">1,250<", ">1,251<").encode())
    _, before, _ = read_filing("q.htm", PAGE.encode())
    assert [fact.concept for fact in wrong_places(document, before)] == ["x:Sales"]
    assert wrong_places(document, facts) == ()


TABLE = """concept,start,end,value,decimals
x:Profit,2026-01-01,2026-03-31,999500000,-5
x:Sales,2026-01-01,2026-03-31,1250000000,-6
x:Cost,2026-01-01,2026-03-31,250500000,-5
x:Tax,2026-01-01,2026-03-31,1,0
"""
LINKS = "role,total,start,end,parts\nA,x:Profit,2026-01-01,2026-03-31,+x:Sales -x:Cost\n"


def test_sums_are_exact_and_a_difference_or_a_missing_part_is_told():
    facts, ties = read_facts("facts.csv", TABLE.encode()), read_ties("ties.csv", LINKS.encode())
    (good,) = check(ties, facts)
    assert (
        good.ties
        and good.computed == Decimal("999500000")
        and [f.concept for f in good.facts] == ["x:Profit", "x:Sales", "x:Cost"]
    )
    (bad,) = check(ties, read_facts("facts.csv", TABLE.replace("250500000", "250500001").encode()))
    assert not bad.ties and bad.difference == 1
    (open_,) = check([Tie("A", "x:Profit", "2026-01-01", "2026-03-31", ((1, "x:None"),))], facts)
    assert not open_.ties and open_.missing == ("x:None",) and open_.computed is None


def test_two_values_of_one_fact_are_a_conflict_unless_one_is_rounded():
    rounded = read_facts("f", (TABLE + "x:Sales,2026-01-01,2026-03-31,1200000000,-8\n").encode())
    assert conflicts(read_facts("f", TABLE.encode())) == ()
    assert conflicts(rounded) == ()
    other = read_facts("f", (TABLE + "x:Sales,2026-01-01,2026-03-31,1251000000,-6\n").encode())
    assert [{fact.value for fact in group} for group in conflicts(other)] == [
        {Decimal(1250000000), Decimal(1251000000)}
    ]


@pytest.mark.parametrize(
    ("displayed", "settings", "value"),
    [
        ("1,250", {"scale": 6}, "1250000000"),
        ("1.250,5", {"form": "ixt:num-comma-decimal"}, "1250.5"),
        ("(334)", {"sign": "-"}, "-334"),
        ("4.1%", {"scale": -2}, "0.041"),
        ("—", {"scale": 6}, "0"),
        ("three", {}, "3"),
        ("no", {}, "0"),
        ("several", {}, None),
        ("NaN", {}, None),
        ("", {}, None),
    ],
)
def test_a_displayed_number_has_its_value(displayed, settings, value):
    assert value_of(displayed, **settings) == (None if value is None else Decimal(value))


def test_other_files_are_refused():
    with pytest.raises(BadInput, match="no column concept"):
        read_facts("facts.csv", b"a,b\n1,2\n")
    with pytest.raises(BadInput, match="row 2"):
        read_facts("facts.csv", b"concept,start,end,value\nx,,,many\n")
    with pytest.raises(Unreadable):
        read_filing("q.htm", b"words")


@pytest.mark.skipif(not FILINGS.is_dir(), reason="the filings are not on this machine")
def test_every_number_the_filers_tagged_is_found_at_its_place_and_their_sums_tie():
    total = flags = 0
    for path in sorted(FILINGS.glob("*.txt.gz")):
        filing = read(path.name, path.read_bytes())
        stem = path.name.removesuffix(".txt.gz")
        facts = read_facts(stem, gzip.decompress((FILINGS / f"{stem}.facts.csv.gz").read_bytes()))
        total += len(facts)
        assert wrong_places(filing, facts) == (), stem
        passages = read_disclosures(stem, gzip.decompress((FILINGS / f"{stem}.disclosures.csv.gz").read_bytes()))
        for passage in passages:  # the table shows their beginnings, on one line
            shown = " ".join(filing.text[slice(*passage.span)].split())
            assert shown.startswith(" ".join(passage.displayed[:150].split())), passage.concept
        flags += sum(1 for p in passages if p.flag is not None and "Cybersecurity" in p.concept)
    assert total == 10_362 and flags == 18
    ties = read_ties("ties", (FILINGS / "aapl-10q-2023q3.ties.csv").read_bytes())
    checked = check(ties, read_facts("facts", (FILINGS / "aapl-10q-2023q3.facts.csv").read_bytes()))
    assert len(checked) == sum(1 for result in checked if result.ties) == 80
