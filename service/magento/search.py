"""Magento's search as a query string.

Everything but letters, digits and `-._~` is percent-encoded, a space as %20: Magento checks an OAuth signature over
the raw query, splits it at `&` and `=`, and sorts it by number where OAuth sorts by bytes, so eleven filters fail.
Source: recordings/oauth-integration.json (2.4.6), search-orders.json, search-memos-many.json.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from service.errors import MagentoUnreadable

#: Index 10 sorts before 2 by bytes and after 9 in Magento: the signature would be refused.
MAX_FILTERS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    field: str
    value: str
    condition: str = "eq"


def search_query(*filters: Filter, page: int, page_size: int, newest_first: bool = False) -> str:
    """All filters hold at once; sorted by entity_id, so that pages do not shift into each other."""
    if not 1 <= len(filters) <= MAX_FILTERS:
        raise ValueError(f"{len(filters)} filters; a search has 1 to {MAX_FILTERS}")
    return encode_query(_parameters(filters, page=page, page_size=page_size, newest_first=newest_first))


def read_page(document: Any) -> tuple[tuple[dict[str, Any], ...], int]:
    """The items of a search's answer and how many there are on all pages.

    Past the end, `items` is empty, null, or the last page again, depending on the version: stop by the count.
    """
    items, total = (document.get("items"), document.get("total_count")) if isinstance(document, dict) else (None, None)
    if not isinstance(total, int) or not all(isinstance(item, dict) for item in items or ()):
        raise MagentoUnreadable("a search answered without items and total_count")
    return tuple(items or ()), total


def encode_query(parameters: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters)


def _parameters(
    filters: tuple[Filter, ...], *, page: int, page_size: int, newest_first: bool
) -> Iterable[tuple[str, str]]:
    for place, wanted in enumerate(filters):
        prefix = f"searchCriteria[filter_groups][{place}][filters][0]"
        yield f"{prefix}[field]", wanted.field
        yield f"{prefix}[value]", wanted.value
        yield f"{prefix}[condition_type]", wanted.condition
    yield "searchCriteria[sortOrders][0][field]", "entity_id"
    yield "searchCriteria[sortOrders][0][direction]", "DESC" if newest_first else "ASC"
    yield "searchCriteria[pageSize]", str(page_size)
    yield "searchCriteria[currentPage]", str(page)
