"""Which of an order's lines stand on the memo that a call makes."""

from decimal import Decimal

import pytest

from service.core.memo_lines import MemoAsk, lines_of_memo
from tests.core.builders import BAG, KIT, TEE, a_memo, a_reading, an_invoice, an_order, dynamic_bundle, line

STRAP, BRICK = KIT + 1, KIT + 2
KITS = an_order(*dynamic_bundle(KIT, "KIT", [("STRAP", "14", 1), ("BRICK", "5", 2)], 2), line(TEE, "TEE", "22"))


def ids(reading, items=(), invoice_id=None):
    ask = MemoAsk(items=tuple((item_id, Decimal(qty)) for item_id, qty in items), invoice_id=invoice_id)
    return [asked.line.item_id for asked in lines_of_memo(reading, ask)]


@pytest.mark.parametrize(
    ("named", "on_memo"),
    [
        ([(STRAP, 1)], [KIT, STRAP, BRICK, TEE]),
        ([(BRICK, 1)], [KIT, STRAP, BRICK, TEE]),
        ([(STRAP, 1), (BRICK, 2)], [KIT, STRAP, BRICK, TEE]),
        ([(TEE, 1)], [STRAP, BRICK, TEE]),
        ([], [KIT, STRAP, BRICK, TEE]),
    ],
)
def test_a_kit_comes_along_with_any_of_its_parts_and_not_without(named, on_memo):
    assert ids(a_reading(KITS), named) == on_memo


@pytest.mark.parametrize(
    ("given_back", "on_memo"), [({}, [KIT, STRAP, BRICK]), ({STRAP: 2}, [KIT, BRICK]), ({STRAP: 2, BRICK: 4}, [])]
)
def test_where_nothing_is_named_a_kit_comes_along_while_its_invoice_has_any_part_left(given_back, on_memo):
    memos = [a_memo(900, given_back, invoice_id=7)] if given_back else []
    reading = a_reading(KITS, an_invoice(7, {KIT: 2, STRAP: 2, BRICK: 4}, KITS), memos=memos)

    assert ids(reading, invoice_id=7) == on_memo


@pytest.mark.parametrize(("given_back", "on_memo"), [({}, [BAG, TEE]), ({BAG: 1}, [BAG, TEE]), ({BAG: 2}, [TEE])])
def test_a_line_of_which_its_invoice_has_nothing_left_stays_out(given_back, on_memo):
    order = an_order(line(BAG, "BAG", "34", 2), line(TEE, "TEE", "22"))
    memos = [a_memo(900, given_back, invoice_id=7)] if given_back else []
    reading = a_reading(order, an_invoice(7, {BAG: 2, TEE: 1}, order), memos=memos)

    assert ids(reading, [(TEE, 1)], invoice_id=7) == on_memo
