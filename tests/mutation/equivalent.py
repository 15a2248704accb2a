"""Faults that change nothing that can be seen, each with the reason; they count neither as noticed nor as survived."""

_SIGN = "both signs turn, and what is carried with them: the sums are the same"
_TYPE = "read by type checkers only"
_LAST_CALL = "offline there are two calls at most, and the second's share is the rest"
_PLAY = "whole cents are compared with a hundredth of one"
_OURS = "our own memo is left out by its id"
_NONE = "no adjustment has been passed over before"

#: Mutant.name → why no test can tell it from the real thing.
EQUIVALENT: dict[str, str] = {
    "service/core/amounts.py:_Sheet.round: -1 if taken_off else 1 → -1 if not taken_off else 1": _SIGN,
    "service/core/calls.py:_invoice_shipping: return ZERO → return None": "calls name invoices of the reading only",
    "service/core/calls.py:_refunds: True → False": "a prediction is made of each request",
    "service/core/calls.py:_with_adjustment: settlement.adjustment < 0 → settlement.adjustment <= 0": _NONE,
    "service/core/calls.py:_request: any → all": "of a call's items all are restocked or none is",
    "service/core/calls.py:_predictions: 0 → 1": "the id of a memo that does not exist, which nothing reads",
    "service/core/calls.py:_with_shipping: len(calls) - 1 → len(calls) + 1": _LAST_CALL,
    "service/core/planning.py:_paid_by_sender: any → all": "a refund's marker is one",
    "service/core/portal_amounts.py:settle: adjustment < 0 → adjustment <= 0": _NONE,
    "service/core/stock_policy.py:note_stock: False → True": "where others own the stock, no rule asks",
    "service/core/stock_policy.py:unshipped_units: parent.qty_shipped > 0 → parent.qty_shipped >= 0": (
        "of no kits shipped no parts are"
    ),
    "service/core/drift.py:_at_once: memo.entity_id < facts.memo_id → memo.entity_id <= facts.memo_id": _OURS,
    "service/core/drift.py:_second_memo: memo.entity_id > facts.memo_id → memo.entity_id >= facts.memo_id": _OURS,
    "service/core/drift.py:_unexplained: memo.entity_id < facts.memo_id → memo.entity_id <= facts.memo_id": _OURS,
    "service/core/line_matching.py:_fill_fixed_kits: 0 → 1": "a kit's part has a parent",
    "service/core/line_matching.py:_interchangeable: True → False": "what a unit is worth are always three amounts",
    "service/core/line_matching.py:_interchangeable.worth: 1 → 2": "of what is not invoiced nothing is left",
    "service/core/memo_shipping.py:_given_back: asked >= to_cent(most) + PLAY → asked > to_cent(most) + PLAY": _PLAY,
    "service/core/memo_shipping.py:_given_back: asked > most - PLAY → asked >= most - PLAY": _PLAY,
    "service/core/memo_shipping.py:_given_back: whole > 0 → whole >= 0": "of no shipping all that is left is asked",
    "service/flow/execute.py:_database_behind: all → any": "a plan's calls are all online or all offline",
    "service/flow/execute.py:_send: work.claim.lease_until >= work.now() + timedelta(seconds=lease_seconds) → "
    "work.claim.lease_until > work.now() + timedelta(seconds=lease_seconds)": "it is extended to what it is",
    "service/core/marker.py:comment_for: 'ascii' → 'ascii?'": "Python drops the mark from a codec's name",
    "service/core/marker.py:stem_of: ':' → ':?'": "a JSON list has no colon",
    "service/sources/auth/proofs.py:(module): '0|[1-9][0-9]{0,11}' → '0|[1-9][0-9]{0,11}?'": (
        "fullmatch takes all of it"
    ),
    "service/sources/base.py:(module): True → False": _TYPE,
    "service/sources/base.py:(module): 'Auth_contra' → 'Auth_contra?'": _TYPE,
}
