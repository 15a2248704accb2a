"""What an order costs, to the cent, the way Magento's quote and invoices work it out.

Rows are price times quantity, unrounded; tax and discount are rounded per row with what rounding left over carried on
to the next row; an invoice takes its share and the last invoice takes what remains.
Source: recordings/tax-discount-shipping.json, currency-eur-order.json, decimal-qty.json; Magento 2.4.6 deltaRound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal

from service.sandbox.catalog import Choice, Kind, Product, find_choices, find_part, find_product
from service.sandbox.order_specs import LineSpec, OrderSpec

_CENT = Decimal("0.01")
_FOUR_PLACES = Decimal("0.0001")
_ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class RowAmounts:
    """A row in one currency. `row_total` is before discount, `discount` is positive."""

    original_price: Decimal = _ZERO
    price: Decimal = _ZERO
    price_incl_tax: Decimal = _ZERO
    row_total: Decimal = _ZERO
    row_total_incl_tax: Decimal = _ZERO
    tax: Decimal = _ZERO
    discount: Decimal = _ZERO


@dataclass(frozen=True, kw_only=True, slots=True)
class PlacedLine:
    """One order item before it has ids. `parent` is its parent's place in the list, `spec` its place in the cart."""

    product: Product
    sku: str
    product_type: str
    qty: Decimal
    spec: int
    base_price: Decimal | None
    original_price: Decimal | None
    parent: int | None = None
    choices: tuple[Choice, ...] = ()

    @property
    def is_priced_by_parts(self) -> bool:
        return self.product.kind is Kind.DYNAMIC_BUNDLE

    @property
    def is_priced_by_parent(self) -> bool:
        return self.base_price is None and not self.is_priced_by_parts

    @property
    def has_own_row(self) -> bool:
        return self.base_price is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """An order or an invoice in one currency. `tax` holds the tax of shipping too; `discount` is positive."""

    rows: tuple[RowAmounts, ...]
    subtotal: Decimal
    subtotal_incl_tax: Decimal
    discount: Decimal
    shipping: Decimal
    shipping_tax: Decimal
    tax: Decimal
    store_credit: Decimal

    @property
    def grand_total(self) -> Decimal:
        return self.subtotal - self.discount + self.tax + self.shipping - self.store_credit


@dataclass(frozen=True, kw_only=True, slots=True)
class PricedInvoice:
    """`units` and the rows of `base` and `shown` follow the order's lines; no units: not on this invoice."""

    units: tuple[Decimal, ...]
    base: Totals
    shown: Totals
    is_first: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class PricedOrder:
    lines: tuple[PlacedLine, ...]
    base: Totals
    shown: Totals
    invoices: tuple[PricedInvoice, ...]


def price_order(spec: OrderSpec) -> PricedOrder:
    lines = place_lines(spec)
    base = _price(lines, spec, rate=Decimal(1))
    shown = _price(lines, spec, rate=Decimal(spec.base_to_order_rate))
    by_invoice = [units_per_line(lines, spec, units) for units in spec.units_by_invoice]
    invoices = tuple(
        PricedInvoice(units=units, base=base_share, shown=shown_share, is_first=number == 0)
        for number, (units, base_share, shown_share) in enumerate(
            zip(by_invoice, _share(lines, base, by_invoice), _share(lines, shown, by_invoice), strict=True)
        )
    )
    return PricedOrder(lines=lines, base=base, shown=shown, invoices=invoices)


def units_per_line(lines: Sequence[PlacedLine], spec: OrderSpec, units: Sequence[Decimal]) -> tuple[Decimal, ...]:
    """Units of the cart's lines, spread over the order's items: the parts of two kits are two of each part."""
    return tuple(line.qty / Decimal(spec.lines[line.spec].qty) * units[line.spec] for line in lines)


def place_lines(spec: OrderSpec) -> tuple[PlacedLine, ...]:
    """The order's items in Magento's order: each parent before its children."""
    placed: list[PlacedLine] = []
    for position, line in enumerate(spec.lines):
        placed.extend(_place(line, position=position, first=len(placed)))
    return tuple(placed)


def _place(line: LineSpec, *, position: int, first: int) -> list[PlacedLine]:
    product = find_product(line.sku)
    qty = Decimal(line.qty)
    whole = PlacedLine(
        product=product,
        sku=product.sku,
        product_type="grouped" if line.grouped else product.kind.product_type,
        qty=qty,
        spec=position,
        base_price=product.price if line.price is None else Decimal(line.price),
        original_price=product.price,
    )
    if product.kind is Kind.CONFIGURABLE:
        return _place_configurable(whole, line.variant, first)
    if product.kind in {Kind.DYNAMIC_BUNDLE, Kind.FIXED_BUNDLE}:
        return _place_bundle(whole, [find_part(product, sku) for sku in line.parts], first)
    return [_with_option(whole, line.option) if line.option else whole]


def _with_option(line: PlacedLine, word: str) -> PlacedLine:
    choices = find_choices(line.product, word)
    surcharge = sum((choice.surcharge for choice in choices), _ZERO)
    sku = "-".join([line.sku, *(choice.sku for choice in choices if choice.sku)])
    return replace(line, sku=sku, choices=choices, base_price=(line.base_price or _ZERO) + surcharge)


def _place_configurable(whole: PlacedLine, variant: str, first: int) -> list[PlacedLine]:
    choices = find_choices(whole.product, variant)
    child = find_product(variant)
    return [
        replace(whole, sku=variant, choices=choices),
        PlacedLine(
            product=child,
            sku=child.sku,
            product_type=child.kind.product_type,
            qty=whole.qty,
            spec=whole.spec,
            base_price=None,
            original_price=None,
            parent=first,
        ),
    ]


def _place_bundle(whole: PlacedLine, parts: Sequence[Choice], first: int) -> list[PlacedLine]:
    if not parts:
        raise ValueError(f"a line of the kit {whole.sku} names its parts, e.g. {whole.product.parts[0].sku}")
    is_dynamic = whole.is_priced_by_parts
    products = [find_product(part.sku) for part in parts]
    children = [
        PlacedLine(
            product=product,
            sku=product.sku,
            product_type=product.kind.product_type,
            qty=whole.qty,
            spec=whole.spec,
            base_price=product.price if is_dynamic else None,
            original_price=product.price if is_dynamic else None,
            parent=first,
        )
        for product in products
    ]
    if is_dynamic:
        price = sum((product.price for product in products), _ZERO)
        sku = "-".join([whole.sku, *(part.sku for part in parts)])
        return [replace(whole, sku=sku, base_price=None, original_price=price, choices=tuple(parts)), *children]
    surcharge = sum((part.surcharge for part in parts), _ZERO)
    return [replace(whole, base_price=(whole.base_price or _ZERO) + surcharge, choices=tuple(parts)), *children]


class _CarriedRounding:
    """Rounds to cents and adds what was lost to the next amount of the same kind."""

    def __init__(self) -> None:
        self._left_over = _ZERO

    def __call__(self, amount: Decimal) -> Decimal:
        rounded = _to_cents(amount + self._left_over)
        self._left_over += amount - rounded
        return rounded


def _price(lines: Sequence[PlacedLine], spec: OrderSpec, *, rate: Decimal) -> Totals:
    tax_share, discount_share = Decimal(spec.tax_percent) / 100, Decimal(spec.discount_percent) / 100
    round_tax, round_tax_before_discount, round_discount = (_CarriedRounding() for _ in range(3))
    rows = []
    for line in lines:
        if line.base_price is None or line.original_price is None:
            rows.append(RowAmounts())
            continue
        price = _to_cents(line.base_price * rate) if rate != 1 else line.base_price
        row_total = price * line.qty
        discount = round_discount(row_total * discount_share)
        row_tax_before_discount = round_tax_before_discount(row_total * tax_share)
        rows.append(
            RowAmounts(
                original_price=_to_four_places(line.original_price * rate),
                price=price,
                price_incl_tax=_to_cents(price * (1 + tax_share)),
                row_total=row_total,
                row_total_incl_tax=row_total + row_tax_before_discount,
                tax=round_tax((row_total - discount) * tax_share),
                discount=discount,
            )
        )
    shipping = _to_cents(Decimal(spec.shipping_amount) * rate)
    shipping_tax = round_tax(shipping * tax_share) if spec.taxes_shipping else _ZERO
    own_rows = [row for line, row in zip(lines, rows, strict=True) if line.has_own_row]
    return _total(
        _with_kits(lines, rows),
        own_rows,
        shipping=shipping,
        shipping_tax=shipping_tax,
        store_credit=_to_cents(Decimal(spec.store_credit) * rate),
    )


def _with_kits(lines: Sequence[PlacedLine], rows: Sequence[RowAmounts]) -> tuple[RowAmounts, ...]:
    """A kit priced by its parts shows their sum, and carries no tax or discount of its own."""
    return tuple(
        _sum_of_parts(line, [row for child, row in zip(lines, rows, strict=True) if child.parent == index])
        if line.is_priced_by_parts
        else rows[index]
        for index, line in enumerate(lines)
    )


def _sum_of_parts(kit: PlacedLine, rows: Iterable[RowAmounts]) -> RowAmounts:
    rows = list(rows)
    price = sum((row.price for row in rows), _ZERO)
    return RowAmounts(
        original_price=price,
        price=price,
        price_incl_tax=sum((row.price_incl_tax for row in rows), _ZERO),
        row_total=price * kit.qty,
        row_total_incl_tax=sum((row.row_total_incl_tax for row in rows), _ZERO),
    )


def _share(lines: Sequence[PlacedLine], order: Totals, by_invoice: Sequence[Sequence[Decimal]]) -> list[Totals]:
    invoices: list[Totals] = []
    taken = [RowAmounts() for _ in lines]
    units_taken = [_ZERO for _ in lines]
    for units in by_invoice:
        rows = []
        for index, line in enumerate(lines):
            units_taken[index] += units[index]
            is_last = units_taken[index] == line.qty
            row = _row_share(order.rows[index], taken[index], units[index] / line.qty, is_last=is_last)
            taken[index] = replace(row, tax=taken[index].tax + row.tax, discount=taken[index].discount + row.discount)
            rows.append(row)
        is_first = not invoices
        invoices.append(
            _total(
                tuple(rows),
                [row for line, row in zip(lines, rows, strict=True) if line.has_own_row],
                shipping=order.shipping if is_first else _ZERO,
                shipping_tax=order.shipping_tax if is_first else _ZERO,
                store_credit=order.store_credit if is_first else _ZERO,
            )
        )
    return invoices


def _row_share(row: RowAmounts, taken: RowAmounts, share: Decimal, *, is_last: bool) -> RowAmounts:
    if not share:
        return RowAmounts()
    return replace(
        row,
        row_total=_to_four_places(row.row_total * share),
        # An invoice rounds this one figure even where the order keeps its third decimal (recordings/decimal-qty.json).
        row_total_incl_tax=_to_cents(row.row_total_incl_tax * share),
        tax=row.tax - taken.tax if is_last else _to_cents(row.tax * share),
        discount=row.discount - taken.discount if is_last else _to_cents(row.discount * share),
    )


def _total(
    rows: tuple[RowAmounts, ...],
    own_rows: Sequence[RowAmounts],
    *,
    shipping: Decimal,
    shipping_tax: Decimal,
    store_credit: Decimal,
) -> Totals:
    return Totals(
        rows=rows,
        subtotal=sum((row.row_total for row in own_rows), _ZERO),
        subtotal_incl_tax=sum((row.row_total_incl_tax for row in own_rows), _ZERO),
        discount=sum((row.discount for row in own_rows), _ZERO),
        shipping=shipping,
        shipping_tax=shipping_tax,
        tax=sum((row.tax for row in own_rows), _ZERO) + shipping_tax,
        store_credit=store_credit,
    )


def _to_cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, rounding=ROUND_HALF_UP)


def _to_four_places(amount: Decimal) -> Decimal:
    return amount.quantize(_FOUR_PLACES, rounding=ROUND_HALF_UP)
