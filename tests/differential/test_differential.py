"""Some thousands of what `make webhooks-differential` compares by the million."""

from dataclasses import replace

import pytest
import standardwebhooks.webhooks

from tests.differential.__main__ import render
from tests.differential.compare import (
    ACCEPTS,
    REFUSES,
    Comparison,
    _StandingClock,
    compare,
    our_verdict,
    their_verdict,
)
from tests.differential.requests import NOW, Request, make_request, signature

CASES = 4_000


def a_request(**changes):
    request = Request(delivery_id="msg_1", time=str(NOW), body=b"{}", signature=signature("msg_1", str(NOW), b"{}"))
    return replace(request, **changes)


@pytest.fixture(scope="module")
def seen():
    return compare(7, 0, CASES)


def test_what_the_library_refuses_is_never_accepted(seen):
    assert seen.cases == CASES
    assert seen.unsafe == []


def test_the_cases_are_of_all_sorts(seen):
    assert {pair for pair in seen.verdicts if "raises" not in pair[1]} >= {
        (ACCEPTS, ACCEPTS),
        (REFUSES, REFUSES),
        (REFUSES, ACCEPTS),
    }
    assert any(theirs.startswith("raises") for _, theirs in seen.verdicts)


def test_what_we_accept_and_the_library_stumbles_over_was_signed(seen):
    assert {why for why, ours, _ in seen.differences if ours == ACCEPTS} <= {
        "the body is not UTF-8",
        "an entry without, or with more than, one comma",
        "base64 that no encoder writes",
    }


def test_a_verifier_that_accepts_too_much_would_be_seen(monkeypatch):
    monkeypatch.setattr("tests.differential.compare.our_verdict", lambda _: ACCEPTS)

    assert compare(7, 0, 200).unsafe


@pytest.mark.parametrize(
    ("request_", "ours", "theirs"),
    [
        (a_request(), ACCEPTS, ACCEPTS),
        (a_request(signature="v1,AAAA"), REFUSES, REFUSES),
        (a_request(time=f"{NOW}.9"), REFUSES, ACCEPTS),
        (a_request(signature="v1"), REFUSES, "raises ValueError"),
        (a_request(signature="v1,A"), REFUSES, "raises Error"),
        (a_request(missing="webhook-id"), REFUSES, REFUSES),
    ],
)
def test_known_requests_have_known_verdicts(request_, ours, theirs):
    assert our_verdict(request_) == ours
    assert compare_with_a_standing_clock(request_) == theirs


def compare_with_a_standing_clock(request):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(standardwebhooks.webhooks, "datetime", _StandingClock)
        return their_verdict(request)


def test_a_case_follows_from_its_number():
    assert make_request(1, 5) == make_request(1, 5) != make_request(2, 5)


def test_the_report_names_what_is_unsafe():
    found = Comparison(cases=1, unsafe=[(3, a_request())])

    assert "- unsafe, case 3: Request(" in "\n".join(render(found, 1))
