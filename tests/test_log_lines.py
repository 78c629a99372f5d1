"""What applications write arrives in the error log: whole, in order, and as it was written."""

import re

import pytest
from harness import wait_until


@pytest.fixture(params=["errors", "stdout", "stderr", "thread"])
def lines(request, server):
    """Has an application write, and gives the texts of its lines that the log has then."""

    def ask(name, until, pattern):
        server.error_log.allow(pattern)
        since = server.error_log.size()
        assert server.get(f"/app/log_lines.wsgi/{request.param}/{name}").text == "logged"

        def found():
            texts = [line.text for line in server.error_log.lines(since) if line.level == "error"]
            texts = [re.sub(r"^\[(client|remote) [^]]*\] ", "", text) for text in texts]
            return texts if any(until in text for text in texts) else None

        return wait_until(found, f"{until} in the log")

    return ask


def test_a_long_line_is_continued_and_nothing_is_lost(lines):
    texts = lines("long", "end", "xxx| end$")
    assert "".join(texts) == "begin " + "x" * 20000 + " end"
    assert 3 <= len(texts) <= 4


def test_bytes_of_no_encoding_are_escaped(lines):
    assert lines("bytes_of_no_encoding", "latin", "latin") == [r"latin caf\xe9"]


def test_a_nul_hides_nothing(lines):
    (text,) = lines("nul", "before", "before")
    assert text.startswith("before") and text.endswith("after")


def test_percent_signs_mean_nothing(lines):
    assert lines("percent", "100", "100") == ["100%s %d %n"]


def test_many_lines_arrive_in_order(lines):
    assert lines("many", "line 299 ", "of many$") == [f"line {number} of many" for number in range(300)]


def test_a_line_without_an_end_is_logged(lines):
    assert lines("unfinished", "an end", "without an end") == ["without an end"]


def test_an_empty_line_is_a_line(lines):
    assert lines("empty_lines", "below", "above|below|^$|] $") == ["above", "", "below"]
