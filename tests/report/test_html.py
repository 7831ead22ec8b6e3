"""One HTML file with a diff: whole, quiet, and safe from names."""

import base64
import gzip
import json
import re

import pytest
from builders.profiles import Row

from memsnap.analysis.diff import diff
from memsnap.errors import MemsnapError
from memsnap.report.columns import columns_document
from memsnap.report.html import render_html

HOSTILE = "</script><script>alert(1)</script><!--\u2028&"


@pytest.fixture
def template(tmp_path):
    file = tmp_path / "report.html"
    file.write_text('<script type="text/plain" id="report">{{data}}</script><p>{{data}}</p>')
    return file


def data_of(html):
    """Return the text that holds the data, as a browser reads it."""
    return re.search(r'id="report">(.*?)</script>', html, re.DOTALL)[1]


def document_of(html):
    document = json.loads(gzip.decompress(base64.b64decode(data_of(html), validate=True)))
    late = {name: json.loads(text) for name, text in document["tables"].items() if name != "site"}
    return document | {"tables": document["tables"] | late}


def test_the_data_of_a_report_are_the_columns_of_its_diff(pair, template):
    compared = diff(pair)
    document = json.loads(json.dumps(columns_document(compared)))
    assert document_of(render_html(compared, template)) == document


def test_a_hostile_name_cannot_end_the_script_that_holds_it(take, template):
    rows = [Row(f"main.{HOSTILE.replace(' ', '')} x.go:1", size=48, alloc=5, live=5)]
    compared = diff([take("a.snap", *rows), take(f"{HOSTILE}.snap", *rows, minute=1)])
    html = render_html(compared, template)
    assert re.fullmatch(r"[\w+/]+=*", data_of(html), re.ASCII)
    assert document_of(html)["diff"]["captures"][1]["name"] == f"{HOSTILE}.snap"


def test_only_the_first_place_takes_the_data(pair, template):
    assert render_html(diff(pair), template).endswith("<p>{{data}}</p>")


def test_a_name_that_is_no_utf8_does_not_stop_a_report(take, template):
    rows = [Row("main.f x.go:1", size=48, alloc=5, live=5)]
    compared = diff([take("a.snap", *rows), take("b\udcff.snap", *rows, minute=1)])
    assert document_of(render_html(compared, template))["diff"]["captures"][1]["name"]


def test_without_a_built_page_it_is_said_how_to_build_it(pair, tmp_path):
    with pytest.raises(MemsnapError, match="not built") as caught:
        render_html(diff(pair), tmp_path / "none.html")
    assert "npm" in caught.value.hint
