"""Each rule of drift: what it finds, what it leaves alone."""

from dataclasses import replace
from decimal import Decimal

import pytest

from service.core.drift import DRIFT_RULES, OrderBefore, RefundFacts, find_drift
from service.core.plan import RefundRequest, RequestItem, Route
from tests.core.builders import BAG, TEE, TODAY, a_memo, a_reading, an_order, line

OURS = "RR-AAAAAAAAAAAAAAAA-01R"
OTHER_PART, UNDER_WAY, PUT_ASIDE = (f"RR-AAAAAAAAAAAAAAAA-0{part}" for part in ("2N", "3R", "4R"))
STRANGER = "RR-BBBBBBBBBBBBBBBB-01R"


def facts(*, route=Route.INVOICE, memo_then=None, before=None, explained=()):
    request = RefundRequest(
        route=route,
        order_id=269,
        invoice_id=31 if route is Route.INVOICE else None,
        items=(RequestItem(order_item_id=BAG, qty=Decimal(1)),),
        shipping_amount=Decimal(0),
        notify=False,
        marker=OURS,
        comment=f"Return RMA-1 (warehouse) {OURS}",
    )
    return RefundFacts(
        request=request,
        memo_id=20,
        memo_then=memo_then or our_memo(),
        before=before or OrderBefore(read_at=TODAY, memo_ids=(10,), refunded=Decimal(5), offline_refunded=Decimal(0)),
        our_memos=frozenset({9, 20, 22}),
        awaited=frozenset({UNDER_WAY}),
        explained=frozenset(explained),
    )


def our_memo(entity_id=20, *, total="34", units=1, transaction="refund-1"):
    return memo_of(entity_id, {BAG: units}, total=total, marker=OURS, transaction=transaction)


def memo_of(entity_id, units, *, total="34", marker=None, transaction="refund-2"):
    comments = () if marker is None else (f"Return RMA-1 (warehouse) {marker}",)
    memo = a_memo(entity_id, units, total=total, comments=comments)
    # The customer paid in a currency of half the worth; every amount of an alarm is in the shop's own.
    shown = replace(memo.base, grand_total=memo.base.grand_total * 2)
    return replace(memo, shown=shown, transaction_id=transaction)


EARLIER = memo_of(10, {BAG: 1}, total="5")


def reading(*memos, refunded=None, offline="0", lines=()):
    bag, tee = line(BAG, "24-MB01", 34, 3), line(TEE, "WS12", 22, 1)
    order = an_order(*(lines or (bag, tee)), payment="sandboxpay")
    counted = sum((memo.base.grand_total for memo in memos), Decimal(0)) if refunded is None else Decimal(refunded)
    totals = replace(order.base, refunded=counted, offline_refunded=Decimal(offline))
    return a_reading(replace(order, base=totals), memos=memos)


QUIET = {
    "as it was": reading(EARLIER, our_memo()),
    "another part of ours on the same lines": reading(EARLIER, our_memo(), memo_of(22, {BAG: 1}, marker=OTHER_PART)),
    "a part of ours just made": reading(EARLIER, our_memo(), memo_of(21, {BAG: 1}, marker=UNDER_WAY)),
    "a later memo on another line": reading(EARLIER, our_memo(), memo_of(21, {TEE: 1}, total="22")),
    "a later memo with none of our line": reading(EARLIER, our_memo(), memo_of(21, {BAG: 0, TEE: 1}, total="22")),
    "a counter rounded down by a cent a memo": reading(EARLIER, our_memo(), refunded="38.98"),
    "a cent a memo more booked offline": reading(EARLIER, our_memo(), offline="0.02"),
}


@pytest.mark.parametrize("later", QUIET.values(), ids=QUIET.keys())
def test_an_order_that_says_what_it_said_raises_no_alarm(later):
    assert find_drift(facts(), later) == ()


# What is read later → the codes, in their order, and what the first one shows.
LOUD = {
    "two memos of one marker": (
        reading(EARLIER, our_memo(), our_memo(21)),
        ["drift-marker-twice"],
        f"memos that carry {OURS}: expected one, Magento has 20 of 34.00 USD, 21 of 34.00 USD",
    ),
    "refunded by hand before our call": (
        reading(EARLIER, memo_of(19, {BAG: 1}), our_memo()),
        ["drift-at-once"],
        "memos between our reading and our call: expected none, Magento has 19 of 34.00 USD",
    ),
    "both at once, one forgotten by the order": (
        reading(EARLIER, memo_of(19, {BAG: 1}), our_memo(), refunded="39"),
        ["drift-at-once", "drift-totals-back"],
        "memos between our reading and our call: expected none, Magento has 19 of 34.00 USD",
    ),
    "a later memo on the same line": (
        reading(EARLIER, our_memo(), memo_of(21, {BAG: 1})),
        ["drift-second-memo"],
        "memos on the same lines since 20: expected none, Magento has 21 of 34.00 USD",
    ),
    "a later memo on our line and on another": (
        reading(EARLIER, our_memo(), memo_of(21, {BAG: 1, TEE: 1}, total="56")),
        ["drift-second-memo"],
        "memos on the same lines since 20: expected none, Magento has 21 of 56.00 USD",
    ),
    "a later memo without any line": (
        reading(EARLIER, our_memo(), memo_of(21, {}, total="34")),
        ["drift-second-memo"],
        "memos on the same lines since 20: expected none, Magento has 21 of 34.00 USD",
    ),
    "a marker that is none of ours": (
        reading(EARLIER, our_memo(), memo_of(21, {BAG: 1}, marker=STRANGER)),
        ["drift-second-memo"],
        "memos on the same lines since 20: expected none, Magento has 21 of 34.00 USD",
    ),
    "a marker of ours whose refund is known by another memo": (
        reading(
            EARLIER, our_memo(), memo_of(21, {BAG: 1}, marker=OTHER_PART), memo_of(22, {BAG: 1}, marker=OTHER_PART)
        ),
        ["drift-second-memo"],
        "memos on the same lines since 20: expected none, Magento has 21 of 34.00 USD",
    ),
    "a refund of ours that was taken for one that did not happen": (
        reading(EARLIER, memo_of(19, {BAG: 1}, marker=PUT_ASIDE), our_memo()),
        ["drift-at-once"],
        "memos between our reading and our call: expected none, Magento has 19 of 34.00 USD",
    ),
    "our memo gone, and its money": (
        reading(EARLIER),
        ["drift-memo-missing", "drift-totals-back"],
        "the order's memos: expected 20 among them, Magento has 10",
    ),
    "every memo gone": (
        reading(),
        ["drift-memo-missing", "drift-totals-back"],
        "the order's memos: expected 20 among them, Magento has none",
    ),
    "our memo overwritten": (
        reading(EARLIER, our_memo(total="30", units=2)),
        ["drift-memo-changed", "drift-memo-changed", "drift-totals-back"],
        "memo 20, base total: expected 34.00, Magento has 30.00",
    ),
    "our memo without a transaction": (
        reading(EARLIER, our_memo(transaction=None)),
        ["drift-booked-offline"],
        "memo 20, gateway transaction: expected one, Magento has none: no money may have moved",
    ),
    "booked offline by hand, on another line": (
        reading(EARLIER, our_memo(), memo_of(21, {TEE: 1}, total="22", transaction=None), offline="22"),
        ["drift-booked-offline"],
        "booked as refunded offline: expected 0.00 USD, Magento has 22.00 USD",
    ),
    "a counter back by more than rounding": (
        reading(EARLIER, our_memo(), refunded="38.97"),
        ["drift-totals-back"],
        "the order's refunded total: expected at least 39.00 USD, Magento has 38.97 USD",
    ),
    "a counter that went back": (
        reading(EARLIER, our_memo(), refunded="5"),
        ["drift-totals-back"],
        "the order's refunded total: expected at least 39.00 USD, Magento has 5.00 USD",
    ),
}


@pytest.mark.parametrize(("later", "codes", "shown"), LOUD.values(), ids=LOUD.keys())
def test_what_changed_is_shown_with_both_sides(later, codes, shown):
    found = find_drift(facts(), later)

    assert [drift.code for drift in found] == codes
    assert str(found[0]) == shown


def test_every_rule_is_met_by_a_case_above():
    assert {code for _, codes, _ in LOUD.values() for code in codes} == {rule.code for rule in DRIFT_RULES}


def test_a_memo_that_a_person_has_explained_is_no_drift():
    by_hand = memo_of(21, {BAG: 1}, total="34", transaction=None)

    assert find_drift(facts(explained=[21]), reading(EARLIER, our_memo(), by_hand, offline="34")) == ()


@pytest.mark.parametrize(
    ("transaction", "offline", "expected"),
    [(None, "56", "34.00"), ("refund-3", "22", "0.00")],
    ids=["offline", "online"],
)
def test_an_explained_memo_accounts_for_what_it_booked_offline_itself_and_no_more(transaction, offline, expected):
    explained = memo_of(21, {BAG: 1}, total="34", transaction=transaction)
    by_hand = memo_of(22, {TEE: 1}, total="22", transaction=None)

    found = find_drift(facts(explained=[21]), reading(EARLIER, our_memo(), explained, by_hand, offline=offline))

    assert [str(drift) for drift in found] == [
        f"booked as refunded offline: expected {expected} USD, Magento has {offline}.00 USD"
    ]


def engraved(item_id, sku, name="Bag"):
    return replace(line(item_id, sku, 34, 3), name=name, has_custom_options=True)


INTERCHANGEABLE = {
    "one SKU": (line(BAG, "24-MB01", 34, 3), line(TEE, "24-MB01", 34, 1)),
    "one product with other options": (engraved(BAG, "24-MB01-anna"), engraved(TEE, "24-MB01-bert")),
}
OTHER_GOODS = {
    "another product with options": (engraved(BAG, "24-MB01-anna"), engraved(TEE, "24-MB02-anna", "Another bag")),
    "a name that two products share": (engraved(BAG, "24-MB01-anna"), replace(line(TEE, "24-MB02", 34, 1), name="Bag")),
}


@pytest.mark.parametrize("entity_id", [19, 21], ids=["before", "after"])
@pytest.mark.parametrize("lines", INTERCHANGEABLE.values(), ids=INTERCHANGEABLE.keys())
def test_a_memo_on_a_line_that_may_have_been_meant_instead_is_found(lines, entity_id):
    found = find_drift(facts(), reading(EARLIER, our_memo(), memo_of(entity_id, {TEE: 1}), lines=lines))

    assert [drift.code for drift in found] == ["drift-at-once" if entity_id < 20 else "drift-second-memo"]


@pytest.mark.parametrize("lines", OTHER_GOODS.values(), ids=OTHER_GOODS.keys())
def test_a_memo_on_other_goods_is_no_drift(lines):
    assert find_drift(facts(), reading(EARLIER, our_memo(), memo_of(21, {TEE: 1}), lines=lines)) == ()


def test_an_order_paid_offline_is_booked_offline():
    later = reading(EARLIER, our_memo(transaction=None), offline="34")

    assert find_drift(facts(route=Route.ORDER), later) == ()


@pytest.mark.parametrize("unkept", [{"before": None}, {"memo_then": None}], ids=["reading", "memo"])
def test_what_was_not_kept_is_not_compared(unkept):
    as_its_memos_say = reading(our_memo())

    assert find_drift(replace(facts(), **unkept), as_its_memos_say) == ()


def test_without_the_reading_before_the_older_memos_count_as_known():
    unkept = replace(facts(), before=None, memo_then=None)

    assert find_drift(unkept, reading(memo_of(19, {BAG: 1}), our_memo())) == ()
    assert [d.code for d in find_drift(unkept, reading(our_memo(), memo_of(21, {BAG: 1})))] == ["drift-second-memo"]
