import pytest

from service.errors import BadRequest
from service.store import format_id, kind_of, parse_id


@pytest.mark.parametrize(("kind", "text"), [("delivery", "del_17"), ("return", "ret_17"), ("refund", "ref_17")])
def test_an_id_is_read_back_as_it_was_written(kind, text):
    assert format_id(kind, 17) == text
    assert parse_id(kind, text) == 17
    assert kind_of(text) == kind


@pytest.mark.parametrize("text", ["ref_17", "17", "del_", "del_-1", "del_1x", "del_ 1", "del_١", "del_" + "9" * 40, ""])
def test_anything_else_is_refused_by_name(text):
    with pytest.raises(BadRequest) as refused:
        parse_id("delivery", text)

    assert repr(text) in refused.value.message


def test_a_prefix_that_is_not_ours_is_refused():
    with pytest.raises(BadRequest):
        kind_of("rma_17")
