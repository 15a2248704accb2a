"""Orders as shops have them, drawn from a seed: twice, as the service reads them and as the oracle counts them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from random import Random

from service.core.orders import (
    INVOICE_PAID,
    Invoice,
    InvoiceLine,
    InvoiceTax,
    LineAmounts,
    Order,
    OrderLine,
    OrderTotals,
    Reading,
    ShippingAmounts,
)
from tests.oracle.model import BASE, CURRENCIES, SHOWN, Bill, Line, Pot, Sale

LAST_WEEK = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
_CENT = Decimal("0.01")
_ONE, _NONE = Decimal(1), Decimal(0)
_RATES = (_ONE, _ONE, Decimal("0.7067"), Decimal("1.3542"))
_TAX_RATES = (_NONE, Decimal("0.0825"), Decimal("0.19"), Decimal("0.07"))
_KINDS = ("simple", "simple", "simple", "metre", "configurable", "fixed bundle", "dynamic bundle")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sold:
    """An order, with what may come back of it: order items and units."""

    reading: Reading
    sale: Sale
    returnable: dict[int, Decimal]
    is_online: bool


def draw_order(random: Random) -> Sold:
    """Everything about it is decided by the random numbers, so that a seed is an order."""
    rate, tax_rate = random.choice(_RATES), random.choice(_TAX_RATES)
    lines: list[OrderLine] = []
    for number in range(random.randint(1, 4)):
        lines += _draw_line(random, 500 + 10 * number, random.choice(_KINDS), rate, tax_rate)
    shipping = _draw_shipping(random, rate, tax_rate)
    online = random.random() < 0.5
    order = _order(tuple(lines), shipping, rate, online=online)
    invoices = _draw_invoices(random, order) if online else ()
    reading = Reading(order=order, invoices=invoices, memos=())
    carrying = _carrying(order)
    returnable = {line.item_id: line.qty_ordered for line in carrying}
    return Sold(reading=reading, sale=_sale(reading, carrying), returnable=returnable, is_online=online)


# --- lines ----------------------------------------------------------------------------------------------------------


def _draw_line(random: Random, item_id: int, kind: str, rate: Decimal, tax_rate: Decimal) -> list[OrderLine]:
    units = Decimal(random.randint(25, 700)) / 100 if kind == "metre" else Decimal(random.randint(1, 7))
    plain = _line(item_id, units, kind="simple", decimals=kind == "metre")
    if kind in {"simple", "metre"}:
        return [_priced(random, plain, rate, tax_rate)]
    child = _line(item_id + 1, units, kind="simple", parent=item_id)
    if kind == "configurable":
        parent = replace(plain, product_type="configurable")
        return [_priced(random, parent, rate, tax_rate), replace(child, sku=parent.sku, qty_invoiced=_NONE)]
    parent = replace(plain, product_type="bundle")
    each = [Decimal(random.randint(1, 3)) for _ in range(random.randint(1, 3))]
    parts = [
        _line(item_id + number, units * per_kit, kind="simple", parent=item_id)
        for number, per_kit in enumerate(each, start=1)
    ]
    if kind == "fixed bundle":
        return [_priced(random, parent, rate, tax_rate), *parts]
    return [parent, *(_priced(random, part, rate, tax_rate) for part in parts)]


def _line(item_id: int, units: Decimal, *, kind: str, parent: int | None = None, decimals: bool = False) -> OrderLine:
    return OrderLine(
        item_id=item_id,
        parent_item_id=parent,
        product_type=kind,
        sku=f"SKU-{item_id}",
        qty_ordered=units,
        qty_invoiced=units,
        qty_shipped=units,
        is_qty_decimal=decimals,
    )


def _priced(random: Random, line: OrderLine, rate: Decimal, tax_rate: Decimal) -> OrderLine:
    price = (
        Decimal(random.choice([random.randint(1, 99), random.randint(100, 9_999), random.randint(1, 300) * 100])) / 100
    )
    percent = Decimal(random.choice([0, 0, 0, 10, 15, 20, 33]))
    base, shown = (_amounts(_cents(price * factor), line.qty_ordered, percent, tax_rate) for factor in (_ONE, rate))
    return replace(line, base=base, shown=shown)


def _amounts(price: Decimal, units: Decimal, percent: Decimal, tax_rate: Decimal) -> LineAmounts:
    row = price * units
    discount = _cents(row * percent / 100)
    return LineAmounts(
        price=price,
        price_incl_tax=_cents(price * (1 + tax_rate)),
        row_invoiced=row,
        discount_invoiced=discount,
        tax_invoiced=_cents((row - discount) * tax_rate),
    )


# --- order and invoices ---------------------------------------------------------------------------------------------


def _draw_shipping(random: Random, rate: Decimal, tax_rate: Decimal) -> tuple[ShippingAmounts, ShippingAmounts]:
    charged = Decimal(random.choice([0, 500, 1500, random.randint(1, 3_000)])) / 100
    taxed = tax_rate if random.random() < 0.5 else _NONE
    amounts = [_cents(charged * factor) for factor in (_ONE, rate)]
    base, shown = (
        ShippingAmounts(amount=amount, tax=_cents(amount * taxed), including_tax=amount + _cents(amount * taxed))
        for amount in amounts
    )
    return base, shown


def _order(
    lines: tuple[OrderLine, ...], shipping: tuple[ShippingAmounts, ShippingAmounts], rate: Decimal, *, online: bool
) -> Order:
    totals = []
    for currency, shipped in zip(CURRENCIES, shipping, strict=True):
        amounts: list[LineAmounts] = [getattr(line, currency) for line in lines]
        tax = sum((each.tax_invoiced for each in amounts), shipped.tax)
        goods = sum((each.row_invoiced - each.discount_invoiced for each in amounts), _NONE)
        total = goods + tax + shipped.amount
        totals.append(OrderTotals(grand_total=total, paid=total, tax_invoiced=tax))
    return Order(
        entity_id=269,
        increment_id="000000264",
        store_id=1,
        state="complete",
        status="complete",
        created_at=LAST_WEEK,
        currency="USD" if rate == 1 else "EUR",
        base_currency="USD",
        base_to_order_rate=rate,
        payment_method="sandbox_online" if online else "banktransfer",
        base_paid_online=totals[0].paid if online else _NONE,
        shipping_method="flatrate_flatrate",
        base=totals[0],
        shown=totals[1],
        base_shipping=shipping[0],
        shown_shipping=shipping[1],
        lines=lines,
    )


def _draw_invoices(random: Random, order: Order) -> tuple[Invoice, ...]:
    """One to three; the first has all the shipping, the last takes what rounding left of each line."""
    left = {line.item_id: line.qty_ordered for line in order.lines}
    spent = {
        (line.item_id, currency, kind): _NONE
        for line in order.lines
        for currency in CURRENCIES
        for kind in _KINDS_OF_MONEY
    }
    wanted = random.randint(1, 3)
    invoices: list[Invoice] = []
    for number in range(1, wanted + 1):
        is_last = number == wanted
        units = left.copy() if is_last else _draw_units(random, order, left)
        if not any(units.values()):
            continue
        left = {item_id: held - units[item_id] for item_id, held in left.items()}
        invoices.append(_invoice(order, 310 + number, units, spent, left, has_shipping=not invoices))
    return tuple(invoices)


_KINDS_OF_MONEY = ("row_invoiced", "discount_invoiced", "tax_invoiced")


def _draw_units(random: Random, order: Order, left: dict[int, Decimal]) -> dict[int, Decimal]:
    units = dict.fromkeys(left, _NONE)
    for line in order.lines:
        if line.parent_item_id is None:
            units[line.item_id] = Decimal(random.randint(0, int(left[line.item_id])))
            for child in order.children_of(line):
                units[child.item_id] = units[line.item_id] * child.qty_ordered / line.qty_ordered
    return units


def _invoice(
    order: Order,
    entity_id: int,
    units: dict[int, Decimal],
    spent: dict[tuple[int, str, str], Decimal],
    left: dict[int, Decimal],
    *,
    has_shipping: bool,
) -> Invoice:
    totals: dict[str, Decimal] = {}
    taxes: dict[str, InvoiceTax] = {}
    for currency, shipping in ((BASE, order.base_shipping), (SHOWN, order.shown_shipping)):
        money = dict.fromkeys(_KINDS_OF_MONEY, _NONE)
        for line in order.lines:
            for kind in _KINDS_OF_MONEY:
                whole: Decimal = getattr(getattr(line, currency), kind)
                key = (line.item_id, currency, kind)
                share = whole * units[line.item_id] / line.qty_ordered
                share = (
                    whole - spent[key]
                    if not left[line.item_id]
                    else (share if kind == "row_invoiced" else _cents(share))
                )
                spent[key] += share
                money[kind] += share
        shipped = shipping if has_shipping else ShippingAmounts()
        tax = money["tax_invoiced"] + shipped.tax
        totals[currency] = money["row_invoiced"] - money["discount_invoiced"] + tax + shipped.amount
        taxes[currency] = InvoiceTax(tax=tax, shipping_tax=shipped.tax)
    return Invoice(
        entity_id=entity_id,
        increment_id=f"{entity_id:09d}",
        order_id=order.entity_id,
        state=INVOICE_PAID,
        transaction_id=f"txn-{entity_id}",
        base_grand_total=totals[BASE],
        base_shipping=order.base_shipping.amount if has_shipping else _NONE,
        base=taxes[BASE],
        shown=taxes[SHOWN],
        lines=tuple(InvoiceLine(order_item_id=item_id, qty=qty) for item_id, qty in units.items() if qty),
    )


# --- the same for the oracle ----------------------------------------------------------------------------------------


def _carrying(order: Order) -> list[OrderLine]:
    """The lines that carry money, told by how they were drawn and not by asking the planner."""
    return [line for line in order.lines if line.base.price]


def _sale(reading: Reading, carrying: list[OrderLine]) -> Sale:
    order = reading.order
    shipping = {BASE: order.base_shipping, SHOWN: order.shown_shipping}
    families = {line.parent_item_id for line in order.lines}
    return Sale(
        lines={
            line.item_id: Line(
                item_id=line.item_id,
                units=Pot(paid=Fraction(line.qty_ordered)),
                row={each: Pot(paid=cents(getattr(line, each).row_invoiced)) for each in CURRENCIES},
                discount={each: Pot(paid=cents(getattr(line, each).discount_invoiced)) for each in CURRENCIES},
                tax={each: Pot(paid=cents(getattr(line, each).tax_invoiced)) for each in CURRENCIES},
                has_family=line.item_id in families or line.parent_item_id is not None,
            )
            for line in carrying
        },
        shipping={each: Pot(paid=cents(amounts.amount)) for each, amounts in shipping.items()},
        shipping_tax={each: Pot(paid=cents(amounts.tax)) for each, amounts in shipping.items()},
        tax={BASE: Pot(paid=cents(order.base.tax_invoiced)), SHOWN: Pot(paid=cents(order.shown.tax_invoiced))},
        bills={
            invoice.entity_id: Bill(
                units={held.order_item_id: Pot(paid=Fraction(held.qty)) for held in invoice.lines},
                total=Pot(paid=cents(invoice.base_grand_total)),
                tax={BASE: Pot(paid=cents(invoice.base.tax)), SHOWN: Pot(paid=cents(invoice.shown.tax))},
                shipping_tax={BASE: cents(invoice.base.shipping_tax), SHOWN: cents(invoice.shown.shipping_tax)},
            )
            for invoice in reading.invoices
        },
        rate=Fraction(order.base_to_order_rate),
    )


def cents(amount: Decimal) -> Fraction:
    return Fraction(amount) * 100


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_UP)
