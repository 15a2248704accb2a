"""The marker is derived from the return, found as a whole token, and readable by a person."""

from hypothesis import given
from hypothesis import strategies as st

from service.core.marker import Marker, comment_for, markers_in, memo_with, stem_of
from tests.core.builders import TEE, a_memo

IDENTITY = {"namespace": "warehouse", "instance": "https://shop.example", "order_id": 269, "return_id": "RMA-1001"}


def test_the_same_return_of_the_same_order_has_the_same_stem_for_ever():
    assert stem_of(**IDENTITY) == "RR-45J4J63R367WEUK5"


def test_every_part_of_the_identity_counts():
    others = [
        stem_of(**{**IDENTITY, key: value})
        for key, value in {"namespace": "x", "instance": "x", "order_id": 1, "return_id": "x"}.items()
    ]

    assert len({stem_of(**IDENTITY), *others}) == 5


def test_neighbouring_fields_cannot_be_mistaken_for_each_other():
    assert stem_of(**{**IDENTITY, "namespace": "a", "instance": "bc"}) != stem_of(
        **{**IDENTITY, "namespace": "ab", "instance": "c"}
    )


def test_a_marker_says_part_and_whether_it_restocks():
    stem = stem_of(**IDENTITY)

    assert str(Marker(stem=stem, part=1, restocks=True)) == f"{stem}-01R"
    assert str(Marker(stem=stem, part=112, restocks=False)) == f"{stem}-112N"


def test_the_comment_reads_well_and_gives_the_marker_back():
    marker = Marker(stem=stem_of(**IDENTITY), part=1, restocks=True)
    comment = comment_for(marker, return_id="RMA-1001", source="warehouse")

    assert comment == f"Return RMA-1001 (warehouse) {marker}"
    assert markers_in(comment) == (marker,)


@given(st.text(max_size=200), st.integers(min_value=1, max_value=500), st.booleans())
def test_no_return_id_can_smuggle_in_another_marker(return_id, part, restocks):
    marker = Marker(stem=stem_of(**{**IDENTITY, "return_id": return_id}), part=part, restocks=restocks)
    comment = comment_for(marker, return_id=return_id, source="warehouse")

    assert comment.isascii()
    assert markers_in(comment) == (marker,)


def test_a_return_id_that_looks_like_a_marker_is_not_taken_for_one():
    foreign = "RR-AAAAAAAAAAAAAAAA-01R"
    marker = Marker(stem=stem_of(**IDENTITY), part=1, restocks=True)

    assert markers_in(comment_for(marker, return_id=foreign, source="warehouse")) == (marker,)


def test_only_whole_tokens_are_markers():
    assert markers_in("XRR-AAAAAAAAAAAAAAAA-01R RR-AAAAAAAAAAAAAAAA-01RX RR-AAAAAAAAAAAAAAAA-1R rr-x") == ()


def test_a_memo_is_found_by_its_exact_marker_only():
    marker = str(Marker(stem=stem_of(**IDENTITY), part=1, restocks=True))
    other_part = str(Marker(stem=stem_of(**IDENTITY), part=2, restocks=True))
    memo = a_memo(900, {TEE: 1}, comments=("thanks", f"Return RMA-1001 (warehouse) {marker}"))

    assert memo_with(marker, [memo]) is memo
    assert memo_with(other_part, [memo]) is None


def test_the_stem_of_a_return_with_letters_of_its_own_is_the_same_for_ever():
    assert stem_of(**{**IDENTITY, "return_id": "Rücksendung-№7"}) == "RR-FU4MOTY37LFOI3U3"


def test_a_long_return_number_is_shown_by_its_first_60_characters():
    marker = Marker(stem=stem_of(**IDENTITY), part=1, restocks=True)

    assert comment_for(marker, return_id="R" * 61, source="warehouse") == f"Return {'R' * 60} (warehouse) {marker}"
