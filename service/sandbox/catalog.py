"""What the sandbox store sells: names, prices and kinds of a small catalogue, most of it Magento's Luma sample data.

The kind of a product decides how its lines look on an order: a configurable leaves a parent line and a hidden child,
a bundle a parent and its parts, and only one of the two carries the price.
Source: recordings/tutorial-refund-simple.json, bundle-fixed-parent-then-child.json, decimal-qty.json.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


class Kind(StrEnum):
    SIMPLE = "simple"
    VIRTUAL = "virtual"
    DOWNLOADABLE = "downloadable"
    CONFIGURABLE = "configurable"
    DYNAMIC_BUNDLE = "dynamic bundle"
    FIXED_BUNDLE = "fixed bundle"

    @property
    def product_type(self) -> str:
        """The word REST uses: it does not tell the two sorts of bundle apart."""
        return "bundle" if self in {Kind.DYNAMIC_BUNDLE, Kind.FIXED_BUNDLE} else self.value

    @property
    def is_shippable(self) -> bool:
        return self not in {Kind.VIRTUAL, Kind.DOWNLOADABLE}

    @property
    def is_counted(self) -> bool:
        """Units of it lie in stock; of kits and configurables those of their parts do."""
        return self in {Kind.SIMPLE, Kind.VIRTUAL}


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One value of one option: a size, a colour, a part of a kit, an engraving.

    `sku` is the part of a bundle, or what a custom option appends to the product's SKU. `surcharge` is per unit.
    """

    option_id: int
    value_id: int
    sku: str = ""
    surcharge: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """`price` is without tax and in the base currency; a dynamic bundle has none of its own."""

    sku: str
    product_id: int
    name: str
    kind: Kind = Kind.SIMPLE
    price: Decimal = Decimal(0)
    #: None: the product has no weight, and Magento leaves the field out.
    weight: Decimal | None = None
    is_qty_decimal: bool = False
    #: Configurable: variant SKU → the values that make it. Custom options: word → its one value.
    choices: dict[str, tuple[Choice, ...]] = field(default_factory=dict)
    #: Bundle: every part that can be chosen.
    parts: tuple[Choice, ...] = ()


class UnknownProductError(ValueError):
    """An order names a product, a variant or a part that the catalogue does not have."""


def find_product(sku: str) -> Product:
    if sku not in CATALOG:
        raise UnknownProductError(f"the sandbox store sells no {sku!r}; it sells {', '.join(sorted(CATALOG))}")
    return CATALOG[sku]


def find_choices(product: Product, word: str) -> tuple[Choice, ...]:
    """The option values behind a variant's SKU or a custom option's word."""
    if word not in product.choices:
        known = ", ".join(sorted(product.choices)) or "no choices at all"
        raise UnknownProductError(f"{product.sku} has no {word!r}; it has {known}")
    return product.choices[word]


def find_part(bundle: Product, sku: str) -> Choice:
    part = next((part for part in bundle.parts if part.sku == sku), None)
    if part is None:
        known = ", ".join(part.sku for part in bundle.parts)
        raise UnknownProductError(f"{bundle.sku} has no part {sku!r}; it has {known}")
    return part


_COLOUR, _SIZE = 93, 143


def _variant(*, colour: int, size: int) -> tuple[Choice, ...]:
    return Choice(option_id=_COLOUR, value_id=colour), Choice(option_id=_SIZE, value_id=size)


def _part(option_id: int, value_id: int, sku: str, surcharge: str = "0") -> Choice:
    return Choice(option_id=option_id, value_id=value_id, sku=sku, surcharge=Decimal(surcharge))


_ONE_POUND = Decimal(1)

_PRODUCTS = (
    Product(sku="24-MB01", product_id=1, name="Joust Duffle Bag", price=Decimal(34)),
    Product(sku="24-UG06", product_id=16, name="Affirm Water Bottle", price=Decimal(7)),
    Product(sku="24-WG081-blue", product_id=26, name="Sprite Stasis Ball 55 cm", price=Decimal(23)),
    Product(sku="24-WG082-blue", product_id=29, name="Sprite Stasis Ball 65 cm", price=Decimal(27)),
    Product(sku="24-WG084", product_id=21, name="Sprite Foam Yoga Brick", price=Decimal(5)),
    Product(sku="24-WG085", product_id=33, name="Sprite Yoga Strap 6 foot", price=Decimal(14)),
    Product(sku="24-WG086", product_id=34, name="Sprite Yoga Strap 8 foot", price=Decimal(17)),
    Product(sku="24-WG088", product_id=22, name="Sprite Foam Roller", price=Decimal(19)),
    Product(sku="WS12-S-Orange", product_id=1551, name="Radiant Tee-S-Orange", price=Decimal(22), weight=_ONE_POUND),
    Product(sku="WS12-M-Blue", product_id=1553, name="Radiant Tee-M-Blue", price=Decimal(22), weight=_ONE_POUND),
    Product(sku="WS12-M-Orange", product_id=1554, name="Radiant Tee-M-Orange", price=Decimal(22), weight=_ONE_POUND),
    Product(sku="MH01-S-Gray", product_id=57, name="Chaz Kangeroo Hoodie-S-Gray", price=Decimal(52), weight=_ONE_POUND),
    Product(
        sku="MH01-L-Orange", product_id=64, name="Chaz Kangeroo Hoodie-L-Orange", price=Decimal(52), weight=_ONE_POUND
    ),
    Product(
        sku="MH01-XL-Gray", product_id=66, name="Chaz Kangeroo Hoodie-XL-Gray", price=Decimal(52), weight=_ONE_POUND
    ),
    Product(sku="VIRT-1", product_id=2047, name="Gift Wrapping Service", kind=Kind.VIRTUAL, price=Decimal(25)),
    Product(
        sku="240-LV08",
        product_id=51,
        name="Advanced Pilates & Yoga (Strength)",
        kind=Kind.DOWNLOADABLE,
        price=Decimal(18),
    ),
    Product(
        sku="DEC-1",
        product_id=2050,
        name="Cloth by the Metre",
        price=Decimal("9.99"),
        weight=_ONE_POUND,
        is_qty_decimal=True,
    ),
    Product(
        sku="OPT-2",
        product_id=2049,
        name="Pen with Engraving",
        price=Decimal(30),
        weight=_ONE_POUND,
        choices={
            "plain": (_part(2, 3, ""),),
            "initials": (_part(2, 4, "", "4"),),
            "full name": (_part(2, 5, "name", "9"),),
        },
    ),
    Product(
        sku="WS12",
        product_id=1562,
        name="Radiant Tee",
        kind=Kind.CONFIGURABLE,
        price=Decimal(22),
        weight=_ONE_POUND,
        choices={
            "WS12-S-Orange": _variant(colour=56, size=167),
            "WS12-M-Blue": _variant(colour=50, size=168),
            "WS12-M-Orange": _variant(colour=56, size=168),
        },
    ),
    Product(
        sku="MH01",
        product_id=68,
        name="Chaz Kangeroo Hoodie",
        kind=Kind.CONFIGURABLE,
        price=Decimal(52),
        weight=_ONE_POUND,
        choices={
            "MH01-S-Gray": _variant(colour=52, size=167),
            "MH01-L-Orange": _variant(colour=56, size=169),
            "MH01-XL-Gray": _variant(colour=52, size=170),
        },
    ),
    Product(
        sku="24-WG080",
        product_id=46,
        name="Sprite Yoga Companion Kit",
        kind=Kind.DYNAMIC_BUNDLE,
        weight=Decimal(0),
        parts=(
            _part(1, 1, "24-WG081-blue"),
            _part(1, 2, "24-WG082-blue"),
            _part(2, 4, "24-WG084"),
            _part(3, 5, "24-WG085"),
            _part(3, 6, "24-WG086"),
            _part(4, 8, "24-WG088"),
        ),
    ),
    Product(
        sku="FIXB-1",
        product_id=2051,
        name="Fixed Price Kit",
        kind=Kind.FIXED_BUNDLE,
        price=Decimal(50),
        weight=_ONE_POUND,
        parts=(_part(5, 9, "24-WG081-blue", "8"), _part(6, 10, "24-WG085", "5")),
    ),
)

CATALOG = {product.sku: product for product in _PRODUCTS}
