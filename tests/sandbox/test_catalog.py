import pytest

from service.sandbox.catalog import CATALOG, Kind, UnknownProductError, find_choices, find_part, find_product


def test_every_variant_and_every_part_is_a_product_of_its_own():
    variants = {sku for product in CATALOG.values() if product.kind is Kind.CONFIGURABLE for sku in product.choices}
    parts = {part.sku for product in CATALOG.values() for part in product.parts}

    assert variants | parts <= CATALOG.keys()
    assert variants
    assert parts


def test_no_two_products_share_an_id():
    ids = [product.product_id for product in CATALOG.values()]

    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("kind", "product_type"),
    [
        (Kind.SIMPLE, "simple"),
        (Kind.CONFIGURABLE, "configurable"),
        (Kind.DYNAMIC_BUNDLE, "bundle"),
        (Kind.FIXED_BUNDLE, "bundle"),
    ],
)
def test_rest_has_one_word_for_both_sorts_of_bundle(kind, product_type):
    assert kind.product_type == product_type


def test_an_unknown_product_is_named_together_with_what_there_is():
    with pytest.raises(UnknownProductError, match=r"no 'TEAPOT'; it sells .*24-MB01"):
        find_product("TEAPOT")


def test_an_unknown_variant_is_named_together_with_the_variants():
    with pytest.raises(UnknownProductError, match=r"MH01 has no 'MH01-XXL'; it has .*MH01-S-Gray"):
        find_choices(find_product("MH01"), "MH01-XXL")


def test_an_unknown_part_is_named_together_with_the_parts():
    with pytest.raises(UnknownProductError, match=r"FIXB-1 has no part '24-MB01'; it has 24-WG081-blue"):
        find_part(find_product("FIXB-1"), "24-MB01")
