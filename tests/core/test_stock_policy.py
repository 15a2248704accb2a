"""Units still on the shelf, and the question about goods that never left it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from service.core.policy import SourcePolicy, StockOwner
from service.core.stock_policy import Shelf, choose_shelf, is_restocked, note_stock, question_unshipped, unshipped_units
from tests.core.builders import KIT, TEE, an_order, dynamic_bundle, fixed_bundle, line

ZERO = Decimal(0)


@pytest.mark.parametrize(
    ("changes", "refunded", "unshipped"),
    [
        ({"qty_shipped": Decimal(2)}, 0, 3),
        ({"qty_shipped": Decimal(2)}, 1, 2),
        ({"qty_shipped": Decimal(2), "qty_canceled": Decimal(2)}, 0, 1),
        ({"qty_shipped": Decimal(5)}, 1, 0),
        ({"qty_shipped": Decimal(0), "is_virtual": True}, 0, 0),
    ],
    ids=str,
)
def test_what_was_neither_shipped_cancelled_nor_refunded_is_on_the_shelf(changes, refunded, unshipped):
    tee = replace(line(TEE, "TEE", "22", 5), **changes)

    assert unshipped_units(an_order(tee), tee, Decimal(refunded)) == unshipped


def kit(*, kit_shipped, parts_shipped):
    """Four kits of three cups and one box each."""
    parent, cup, box = dynamic_bundle(KIT, "KIT", [("CUP", "4", 3), ("BOX", "6", 1)], 4)
    lines = (
        replace(parent, qty_shipped=Decimal(kit_shipped)),
        replace(cup, qty_shipped=Decimal(parts_shipped[0])),
        replace(box, qty_shipped=Decimal(parts_shipped[1])),
    )
    return an_order(*lines), *lines


def test_what_ships_in_parts_counts_in_units_of_the_kit():
    order, parent, _, _ = kit(kit_shipped=0, parts_shipped=(6, 2))

    assert unshipped_units(order, parent, ZERO) == 2


@pytest.mark.parametrize(("kits", "cups", "boxes"), [(3, 3, 1), (1, 9, 3)])
def test_what_ships_whole_counts_in_units_of_the_part(kits, cups, boxes):
    order, _, cup, box = kit(kit_shipped=kits, parts_shipped=(0, 0))

    assert [unshipped_units(order, part, ZERO) for part in (cup, box)] == [cups, boxes]


def test_what_ships_in_parts_is_not_counted_by_the_kit_as_well():
    order, _, cup, _ = kit(kit_shipped=4, parts_shipped=(1, 0))

    assert unshipped_units(order, cup, ZERO) == 11


def test_a_kit_that_was_not_shipped_leaves_its_parts_on_the_shelf():
    order, _, cup, _ = kit(kit_shipped=0, parts_shipped=(0, 0))

    assert unshipped_units(order, cup, ZERO) == 12


def test_a_part_that_nobody_ordered_ships_nothing():
    parent, cup = fixed_bundle(KIT, "KIT", "20", [("CUP", 1)], 2)
    cup = replace(cup, qty_ordered=ZERO)
    parent = replace(parent, qty_shipped=Decimal(1))

    assert unshipped_units(an_order(parent, cup), parent, ZERO) == 1


@pytest.mark.parametrize(
    ("discarded", "shipped", "asked"), [(1, 2, True), (0, 2, False), (1, 3, False), (-1, 2, False)]
)
def test_only_discarded_goods_that_never_left_are_a_question(discarded, shipped, asked):
    tee = line(TEE, "TEE", "22", 3, shipped=shipped)

    question = question_unshipped(an_order(tee), tee, discarded=Decimal(discarded), refunded=ZERO)

    assert (question is not None) is asked
    if question is not None:
        assert (question.code, question.subject) == ("unsellable-but-unshipped", "TEE")


@pytest.mark.parametrize(
    ("word", "back", "rule"),
    [
        (" Sellable ", True, "stock.restocked"),
        ("damaged", False, "stock.not_restocked"),
        ("", False, "stock.not_restocked"),
    ],
)
def test_only_a_configured_word_goes_back_and_the_note_says_which(word, back, rule):
    note = note_stock("TEE", word, SourcePolicy())

    assert is_restocked(word, SourcePolicy()) is back
    assert (note.rule, note.subject) == (rule, "TEE")
    assert word.strip() in note.text


def test_where_nothing_goes_back_the_note_says_so():
    assert (
        note_stock("TEE", "sellable", SourcePolicy(restock=())).text
        == "not restocked: 'sellable' is not one of no words"
    )


@pytest.mark.parametrize(
    ("owner", "sellable", "shipped", "then"),
    [
        (StockOwner.MAGENTO, True, True, Shelf.NAMED),
        (StockOwner.MAGENTO, True, False, Shelf.NAMED),
        (StockOwner.MAGENTO, False, True, Shelf.UNNAMED),
        (StockOwner.MAGENTO, False, False, Shelf.PERSON),
        (StockOwner.WMS, True, True, Shelf.UNNAMED),
        (StockOwner.WMS, True, False, Shelf.NAMED),
        (StockOwner.WMS, False, True, Shelf.UNNAMED),
        (StockOwner.WMS, False, False, Shelf.NAMED),
        (StockOwner.NONE, True, True, Shelf.UNNAMED),
        (StockOwner.NONE, True, False, Shelf.PERSON),
        (StockOwner.NONE, False, True, Shelf.UNNAMED),
        (StockOwner.NONE, False, False, Shelf.PERSON),
    ],
)
def test_who_owns_the_stock_decides_what_magento_is_told_of_it(owner, sellable, shipped, then):
    assert choose_shelf(owner, sellable=sellable, shipped=shipped).then is then


@pytest.mark.parametrize("owner", [StockOwner.WMS, StockOwner.NONE])
def test_where_others_own_the_stock_no_word_puts_goods_on_magento_s_shelf(owner):
    policy = SourcePolicy(stock_owner=owner)

    assert not is_restocked("sellable", policy)
    assert f"stock_owner = {owner}" in note_stock("TEE", "sellable", policy).text


@pytest.mark.parametrize(
    ("owner", "because"),
    [
        (StockOwner.WMS, "the warehouse system puts it back and tells Magento: restocked here it would count twice"),
        (StockOwner.NONE, "nothing goes back to stock"),
    ],
)
@pytest.mark.parametrize("word", ["sellable", "damaged"])
def test_where_others_own_the_stock_the_note_says_who_and_why(owner, because, word):
    note = note_stock("TEE", word, SourcePolicy(stock_owner=owner))

    assert (note.rule, note.subject) == ("stock.not_restocked", "TEE")
    assert note.text == f"not restocked (stock_owner = {owner}): {because}"
