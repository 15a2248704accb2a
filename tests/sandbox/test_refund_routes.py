"""What a refund call takes, gives back and leaves alone: the facts the planner rests on."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.sandbox.small_orders import (
    INVOICE_ID,
    ORDER_ID,
    SmallShop,
    a_line,
    an_invoice,
    an_order,
    message_of,
    one,
    some_stock,
)

BOTH = pytest.mark.parametrize("version", ["2.4.1", "2.4.6-p4"])
PREFIX = "Creditmemo Document Validation Error(s):\n"


@pytest.fixture
def shop() -> SmallShop:
    return SmallShop()


@BOTH
@pytest.mark.parametrize("body", [{}, {"items": []}, {"itmes": [{"order_item_id": 1, "qty": 1}]}, [], "text", None])
def test_items_left_out_refund_everything(version: str, body: object) -> None:
    shop = SmallShop(version)
    shop.holds(a_line(1, "a", qty=2), a_line(2, "b"))

    answer = shop.refund(body)

    assert answer.status == 200
    assert shop.refunded() == [Decimal(36)]


def test_the_answer_is_the_memo_id_as_a_json_string(shop: SmallShop) -> None:
    shop.holds(a_line(1, "a"))

    assert shop.refund(one(1)).body == b'"1"'


@pytest.mark.parametrize(
    ("arguments", "total"), [({}, 16), ({"shipping_amount": None}, 16), ({"shipping_amount": 0}, 10)]
)
def test_shipping_left_out_refunds_all_shipping_that_is_left(
    shop: SmallShop, arguments: dict[str, object], total: int
) -> None:
    shop.holds(a_line(1, "a", qty=2))

    shop.refund({"items": [{"order_item_id": 1, "qty": 1}], "arguments": arguments})

    assert shop.refunded() == [Decimal(total)]


def test_more_shipping_than_is_left_is_refused_with_a_formatted_price(shop: SmallShop) -> None:
    shop.holds(a_line(1, "a", qty=2))
    shop.refund(one(1, shipping_amount=4))

    answer = shop.refund(one(1, shipping_amount=2.01))

    assert answer.body == b'{"message":"Maximum shipping amount allowed to refund is: %1","parameters":["$2.00"]}'


def test_a_configurable_goes_back_by_its_parent_and_to_stock_by_its_child(shop: SmallShop) -> None:
    shop.holds(
        a_line(1, "shirt-m", price="22", kind="configurable"),
        a_line(2, "shirt-m", price="0", parent=1, shipped=0),
        stock=some_stock("shirt-m"),
    )

    by_child = shop.refund(one(2))
    by_parent = shop.refund(one(1, restock=(2,)))

    assert message_of(by_child).endswith("The creditmemo contains incorrect product items.")
    assert by_parent.status == 200
    assert shop.moved("shirt-m") == (1, 1)


def test_naming_the_parent_of_a_configurable_returns_nothing_to_stock(shop: SmallShop) -> None:
    shop.holds(
        a_line(1, "shirt-m", price="22", kind="configurable"),
        a_line(2, "shirt-m", price="0", parent=1, shipped=0),
        stock=some_stock("shirt-m"),
    )

    assert shop.refund(one(1, restock=(1,))).status == 200
    assert shop.moved("shirt-m") == (0, 0)


def test_a_kit_of_dynamic_price_goes_back_by_its_parts_and_its_own_counter_overruns(shop: SmallShop) -> None:
    shop.holds(
        a_line(1, "kit", price="0", kind="bundle"), a_line(2, "ball", price="23", parent=1), a_line(3, "mat", parent=1)
    )

    by_kit = shop.refund(one(1))
    shop.refund(one(2))
    shop.refund(one(3))

    assert "incorrect product items" in message_of(by_kit)
    assert shop.refunded() == [Decimal(23), Decimal(10)]
    assert shop.order["items"][0]["qty_refunded"] == 2


def test_a_kit_of_fixed_price_goes_back_by_itself(shop: SmallShop) -> None:
    shop.holds(
        a_line(1, "kit", price="63", kind="bundle"),
        a_line(2, "ball", price="0", parent=1),
        a_line(3, "strap", price="0", parent=1, qty=2),
    )

    by_part = shop.refund(one(2))
    by_kit = shop.refund(one(1))

    assert "incorrect product items" in message_of(by_part)
    assert by_kit.status == 200
    assert [(item["order_item_id"], item["qty"]) for item in shop.memos[0]["items"]] == [(1, 1), (2, 1), (3, 2)]


def test_an_invoice_gives_no_more_than_it_holds_and_says_nothing(shop: SmallShop) -> None:
    order = an_order(a_line(1, "a", qty=3), payment="braintree")
    shop.store.add_order(order, [an_invoice(order, {1: 1}), an_invoice(order, {1: 2}, invoice_id=71)])

    answer = shop.refund({**one(1, 2), "isOnline": True}, invoice=INVOICE_ID)

    assert answer.status == 200
    assert shop.memos[0]["items"][0]["qty"] == 1
    assert shop.paid_back() == [Decimal(10)]


@pytest.mark.parametrize(
    ("body", "invoice", "paid"),
    [
        ({"isOnline": True}, INVOICE_ID, [Decimal(10)]),
        ({"is_online": True}, INVOICE_ID, [Decimal(10)]),
        ({"isOnline": False}, INVOICE_ID, []),
        ({}, INVOICE_ID, []),
        ({"isonline": True}, INVOICE_ID, []),
        ({"isOnline": True}, None, []),
    ],
)
def test_only_is_online_on_the_invoice_route_moves_money(
    shop: SmallShop, body: dict[str, bool], invoice: int | None, paid: list[Decimal]
) -> None:
    shop.holds(a_line(1, "a"), payment="braintree")

    answer = shop.refund({**one(1), **body}, invoice=invoice)

    assert answer.status == 200
    assert shop.paid_back() == paid


@BOTH
@pytest.mark.parametrize("online", [True, False])
def test_the_invoice_of_an_offline_method_is_never_refunded(version: str, online: bool) -> None:  # noqa: FBT001
    shop = SmallShop(version)
    shop.holds(a_line(1, "a"), payment="checkmo")

    answer = shop.refund({**one(1), "isOnline": online}, invoice=INVOICE_ID)

    assert message_of(answer) == PREFIX + "We can't create creditmemo for the invoice."


def test_a_decline_and_a_failure_after_payment_answer_alike(shop: SmallShop) -> None:
    shop.holds(a_line(1, "a", qty=2), payment="braintree")
    shop.store.gateway.decline_next(1)

    declined = shop.refund({**one(1), "isOnline": True}, invoice=INVOICE_ID)
    failed = shop.refund({**one(1), "isOnline": True, "comment": {"comment": ""}}, invoice=INVOICE_ID)

    assert declined == failed
    assert message_of(failed) == "Could not save a Creditmemo, see error log for details"
    assert shop.paid_back() == [Decimal(10)]
    assert not shop.memos


def test_after_the_payment_magento_may_fail_and_the_payment_stays(shop: SmallShop) -> None:
    shop.holds(a_line(1, "a", qty=2), payment="braintree")
    shop.store.gateway.roll_back_next(1)

    failed = shop.refund({**one(1), "isOnline": True}, invoice=INVOICE_ID)

    assert message_of(failed) == "Could not save a Creditmemo, see error log for details"
    assert shop.paid_back() == [Decimal(10)]
    assert not shop.memos
    assert shop.refund({**one(1), "isOnline": True}, invoice=INVOICE_ID).status == 200


def test_a_total_of_zero_or_below_is_refused_by_2_4_1_and_sent_to_the_gateway_by_2_4_6() -> None:
    older, newer = SmallShop("2.4.1"), SmallShop("2.4.6-p4")
    for shop in (older, newer):
        shop.holds(a_line(1, "a", price="14"), payment="braintree")
    asked = {**one(1, adjustment_negative=500), "isOnline": True}

    refused, taken = (shop.refund(asked, invoice=INVOICE_ID) for shop in (older, newer))

    assert message_of(refused) == PREFIX + "The credit memo's total must be positive."
    assert taken.status == 200
    assert newer.paid_back() == [Decimal(-486)]
    assert newer.order["status_histories"][0]["comment"].startswith("We refunded -$486.00 online.")


def test_a_fraction_of_a_whole_unit_is_cut_off_by_2_4_1_and_refused_by_2_4_6() -> None:
    older, newer = SmallShop("2.4.1"), SmallShop("2.4.6-p4")
    for shop in (older, newer):
        shop.holds(a_line(1, "a", qty=3))

    taken, refused = (shop.refund(one(1, 1.5)) for shop in (older, newer))

    assert taken.status == 200
    assert (older.refunded(), older.memos[0]["items"][0]["qty"]) == ([Decimal(10)], Decimal("1.5"))
    assert "invalid quantity" in message_of(refused)


def test_a_duplicate_item_is_not_added_up_the_last_one_wins(shop: SmallShop) -> None:
    shop.holds(a_line(1, "a", qty=3))

    shop.refund({**one(1), "items": [{"order_item_id": 1, "qty": 1}, {"order_item_id": 1, "qty": 2}]})

    assert shop.memos[0]["items"][0]["qty"] == 2


def test_tax_comes_out_even_however_the_units_go_back(shop: SmallShop) -> None:
    shop.holds(a_line(1, "a", price="22", qty=3, tax="5.45"), shipping="0")

    for _ in range(3):
        shop.refund(one(1))

    assert shop.refunded() == [Decimal("23.82"), Decimal("23.82"), Decimal("23.81")]


@pytest.mark.parametrize(
    ("version", "shipped", "restock", "moved"),
    [
        ("2.4.1", 1, (1,), (1, 1)),
        ("2.4.1", 1, (), (0, 0)),
        ("2.4.1", 0, (1,), (-1, 1)),
        ("2.4.1", 0, (), (-1, 0)),
        ("2.4.6-p4", 1, (1,), (1, 1)),
        ("2.4.6-p4", 1, (), (0, 0)),
        ("2.4.6-p4", 0, (1,), (0, 1)),
        ("2.4.6-p4", 0, (), (-1, 0)),
    ],
)
def test_what_a_refund_moves_on_hand_and_salable(
    version: str, shipped: int, restock: tuple[int, ...], moved: tuple[int, int]
) -> None:
    shop = SmallShop(version)
    shop.holds(a_line(1, "a", shipped=shipped), stock=some_stock("a"))

    shop.refund(one(1, restock=restock))

    assert shop.moved("a") == moved


def test_an_order_whose_items_are_back_but_not_its_shipping_does_not_close(shop: SmallShop) -> None:
    shop.holds(a_line(1, "a"))

    shop.refund(one(1))
    open_still = shop.order["state"]
    shop.refund({"items": [], "arguments": {"shipping_amount": 6}})

    assert (open_still, shop.order["state"]) == ("complete", "closed")


def test_a_memo_keeps_its_comment_without_append_comment_and_is_found_by_its_note(shop: SmallShop) -> None:
    shop.holds(a_line(1, "a", qty=2))
    shop.refund({**one(1), "comment": {"comment": "Return RMA-1 RR-AB-01R", "is_visible_on_front": 0}})
    shop.refund(one(1))
    search = "searchCriteria[filter_groups][0][filters][0]"

    found = shop.read(
        f"creditmemos?{search}[field]=customer_note&{search}[value]=%25RR-AB%25&{search}[condition_type]=like"
    )
    by_comment = shop.ask("GET", f"creditmemos?{search}[field]=comment&{search}[value]=x")

    assert [memo["comments"][0]["comment"] for memo in found["items"]] == ["Return RMA-1 RR-AB-01R"]
    assert "customer_note" not in found["items"][0]
    assert by_comment.status == 500


def test_letters_beyond_three_bytes_come_back_as_question_marks(shop: SmallShop) -> None:
    shop.holds(a_line(1, "a"))

    shop.refund({**one(1), "comment": {"comment": "sorry 😀", "is_visible_on_front": 0}})

    assert shop.memos[0]["comments"][0]["comment"] == "sorry ????"


def test_a_comment_on_the_order_without_a_status_wipes_the_orders_own(shop: SmallShop) -> None:
    shop.holds(a_line(1, "a"))

    shop.ask("POST", f"orders/{ORDER_ID}/comments", {"statusHistory": {"comment": "hello"}})

    assert "status" not in shop.read(f"orders/{ORDER_ID}")


def test_an_order_on_hold_is_not_refunded(shop: SmallShop) -> None:
    shop.holds(a_line(1, "a"))
    shop.ask("POST", f"orders/{ORDER_ID}/hold")

    refused = shop.refund(one(1))
    shop.ask("POST", f"orders/{ORDER_ID}/unhold")

    assert message_of(refused) == PREFIX + "A creditmemo can not be created when an order has a status of holded"
    assert shop.refund(one(1)).status == 200


def test_mail_can_be_sent_after_the_refund(shop: SmallShop) -> None:
    shop.holds(a_line(1, "a"))
    shop.refund(one(1))

    answer = shop.ask("POST", "creditmemo/1/emails")

    assert (answer.status, answer.body) == (200, b"true")
    assert shop.read("creditmemo/1")["email_sent"] == 1


def test_discounted_shipping_that_is_refunded_already_is_discounted_again_when_left_out() -> None:
    shop = SmallShop("2.4.6-p4")
    order = an_order(a_line(1, "a", qty=3), payment="braintree")
    for prefix in ("", "base_"):
        order[f"{prefix}shipping_discount_amount"] = Decimal(2)
    shop.store.add_order(order, [an_invoice(order)])
    left_out = {"items": [{"order_item_id": 1, "qty": 1}]}

    for _ in range(2):
        shop.refund(left_out, invoice=INVOICE_ID)

    assert shop.refunded() == [Decimal(14), Decimal(8)]
