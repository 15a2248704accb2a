"""The defects, as data: what is replaced in which file, the promise it breaks, and the tests that must fail on it.

One defect is one mistake that somebody could make tomorrow with good reasons: a check that looks redundant, a time that
looks long, a comparison that looks pedantic. `old` stands exactly once in its file.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    file: str
    old: str
    new: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Defect:
    name: str
    #: What would happen in a shop.
    breaks: str
    changes: tuple[Change, ...]
    #: Test functions; each must fail, with at least one of its parameters.
    caught_by: tuple[str, ...]


def _defect(name: str, breaks: str, *changes: tuple[str, str, str], caught_by: tuple[str, ...]) -> Defect:
    made = tuple(Change(file=f"service/{file}", old=old, new=new) for file, old, new in changes)
    return Defect(name=name, breaks=breaks, changes=made, caught_by=tuple(f"tests/{test}" for test in caught_by))


def _taken_for(rule: str, kind: str) -> str:
    """A row of the table of outcomes that proves something else."""
    return rule.replace("UNKNOWN", kind)


_FLOW = "flow/test_at_most_once.py::"
_ONLINE_FAULTS = f"{_FLOW}test_an_online_refund_is_never_paid_twice_whatever_its_call_does"
_OFFLINE_FAULTS = f"{_FLOW}test_an_offline_refund_survives_every_fault_of_its_call"
_LATE = f"{_FLOW}test_a_client_that_gives_up_does_not_take_not_yet_for_never"

_ELSE_IS_UNKNOWN = "magento/test_outcomes.py::test_everything_else_is_unknown"
_COULD_NOT_SAVE_IS_UNKNOWN = "magento/test_outcomes.py::test_could_not_save_is_unknown_whatever_the_route"

_SERVER_ERROR = 'name="server-error",\n        kind=OutcomeKind.UNKNOWN,'
_COULD_NOT_SAVE = 'name="could-not-save-online",\n        kind=OutcomeKind.UNKNOWN,'

_GROUP_RUNS = """\
                self._had_company = len(group) > 1
                _carry(tx, group)
"""
#: A disk that takes its time makes the gap wide enough for a kill to hit.
_GROUP_IS_ANSWERED = """\
                _end(group)
                __import__("time").sleep(0.05)
"""
_GROUP_IS_ANSWERED_AFTER_COMMIT = """\
        else:
            _end(group)
"""
_GROUP_WAS_ANSWERED = """\
        else:
            pass
"""

DEFECTS = (
    # --- at most once -----------------------------------------------------------------------------------------------
    _defect(
        "no marker",
        "a refund whose answer was lost cannot be recognised, and is sent again",
        ("magento/refunds.py", '"comment": {"comment": request.comment, ', '"comment": {"comment": "Refund", '),
        caught_by=(
            _OFFLINE_FAULTS,
            "magento/test_refunds.py::test_the_tutorial_refund_is_the_recorded_json_and_our_comment",
        ),
    ),
    _defect(
        "no reconcile",
        "a lost answer is taken for a refund that did not happen",
        (
            "flow/reconcile.py",
            "memo = memo_with(row.marker, work.magento.read_memos(row.order_entity_id))",
            "memo = memo_with(row.marker, ())",
        ),
        caught_by=(_ONLINE_FAULTS,),
    ),
    _defect(
        "settle too short",
        "Magento is still working on the call that we gave up, and gets it a second time",
        ("flow/reconcile.py", "if row.settle_at is None or looked_at < row.settle_at:", "if row.settle_at is None:"),
        caught_by=(_LATE,),
    ),
    _defect(
        "a killed worker's call is taken for over",
        "its call is still on its way to Magento when the next worker sends it again",
        (
            "flow/reconcile.py",
            "settle_at = now + timedelta(seconds=work.settings.settle_seconds)",
            "settle_at = now",
        ),
        caught_by=(f"{_FLOW}test_a_call_whose_worker_was_killed_is_given_time_to_arrive_before_it_is_sent_again",),
    ),
    _defect(
        "'not paid' is believed too early",
        "somebody looks at the gateway before Magento has asked it, and the refund is paid twice",
        ("store/refunds.py", "if row.settle_at is None or now >= row.settle_at:", "if True:"),
        caught_by=(f"{_FLOW}test_nothing_was_paid_cannot_be_said_while_magento_may_still_be_working",),
    ),
    _defect(
        "an answer is good for every call",
        "what somebody knows of the first call settles the second, and the refund is sent a third time",
        ("store/refunds.py", "if row.sends == (1 if sends is None else sends):", "if True:"),
        caught_by=(f"{_FLOW}test_an_answer_about_one_call_is_not_taken_for_one_about_the_next",),
    ),
    _defect(
        "sent again online",
        "the gateway may have paid before Magento rolled back, and pays again",
        ("flow/reconcile.py", "if row.route is Route.ORDER and row.sends < MAX_SENDS:", "if row.sends < MAX_SENDS:"),
        caught_by=(_ONLINE_FAULTS,),
    ),
    _defect(
        "a server error taken for a refusal",
        "a refund that Magento made before its 500 is shown as refused, and somebody makes it by hand",
        ("magento/outcomes.py", _SERVER_ERROR, _taken_for(_SERVER_ERROR, "REFUSED")),
        caught_by=(_ONLINE_FAULTS, _ELSE_IS_UNKNOWN),
    ),
    _defect(
        "a server error taken for a call not sent",
        "the gateway has paid before the 500, and the call is made again by itself",
        ("magento/outcomes.py", _SERVER_ERROR, _taken_for(_SERVER_ERROR, "NOT_SENT")),
        caught_by=(_ONLINE_FAULTS, _ELSE_IS_UNKNOWN),
    ),
    _defect(
        "'Could not save' taken for a refusal",
        "this text comes after the gateway has paid as well as before: what it paid is planned again",
        ("magento/outcomes.py", _COULD_NOT_SAVE, _taken_for(_COULD_NOT_SAVE, "REFUSED")),
        caught_by=(_ONLINE_FAULTS, _COULD_NOT_SAVE_IS_UNKNOWN),
    ),
    _defect(
        "'Could not save' taken for a call not sent",
        "the gateway has paid before Magento rolled back, and the call is made again by itself",
        ("magento/outcomes.py", _COULD_NOT_SAVE, _taken_for(_COULD_NOT_SAVE, "NOT_SENT")),
        caught_by=(_ONLINE_FAULTS, _COULD_NOT_SAVE_IS_UNKNOWN),
    ),
    _defect(
        "no deadline",
        "a plan is sent on a reading that is minutes old",
        ("flow/execute.py", "if work.now() > send_by:", "if False:"),
        ("flow/execute.py", "may_send=lambda: work.now() <= send_by", "may_send=lambda: True"),
        caught_by=(f"{_FLOW}test_a_reading_that_went_stale_is_not_sent_on",),
    ),
    _defect(
        "no lease fence",
        "a worker that was paused for minutes goes on where another has taken over",
        ("store/claims.py", 'if row["fence"] != claim.fence or row["lease_until"] is None:', "if False:"),
        caught_by=(
            f"{_FLOW}test_a_worker_that_lost_its_lease_sends_nothing",
            "store/test_inbox.py::test_after_the_lease_another_worker_has_it_and_the_first_may_write_nothing",
        ),
    ),
    _defect(
        "no slot index",
        "two refunds of one order are under way at once, which Magento pays twice",
        (
            "store/tables.py",
            'condition=_in(SLOT_STATES), unique=True),\n    _where("uq_refunds_slot_increment"',
            'condition=_in(SLOT_STATES)),\n    _where("uq_refunds_slot_increment"',
        ),
        (
            "store/migrations/versions/0001_first_schema.py",
            '["instance", "order_entity_id"],\n        unique=True,',
            '["instance", "order_entity_id"],\n        unique=False,',
        ),
        caught_by=("store/test_refunds.py::test_two_names_of_one_order_meet_when_they_are_bound",),
    ),
    _defect(
        "an unknown refund does not count",
        "units that may have been paid are planned again",
        (
            "core/planning.py",
            "given = given_back(approved, reading, unsettled, stem=stem)",
            "given = given_back(approved, reading, (), stem=stem)",
        ),
        caught_by=("core/test_planning.py::test_an_unsettled_refund_counts_as_given_back",),
    ),
    _defect(
        "a duplicate is added up",
        "the same approval said in two events is refunded twice",
        ("core/given_back.py", "if not markers and not is_named:", "if True:"),
        caught_by=(
            "flow/test_refunds.py::test_the_same_return_said_again_in_a_new_event_is_refunded_once",
            "core/test_planning.py::test_the_second_time_the_difference_is_empty",
        ),
    ),
    _defect(
        "a refund by hand is not asked about",
        "staff refunded in the admin, and the event refunds once more",
        (
            "core/planning.py",
            "for memo in foreign_memos(draft.approved, draft.reading, matching.touched):",
            "for memo in ():",
        ),
        caught_by=(
            "core/test_planning.py::test_a_refund_by_hand_since_the_return_began_is_asked_about_once",
            "flow/test_refunds.py::test_a_refund_by_hand_is_asked_about_and_the_answer_ends_it",
        ),
    ),
    _defect(
        "a forgetful database is trusted",
        "after a restore, refunds that it does not know move money again",
        ("flow/execute.py", "if not forgotten:", "if True:"),
        caught_by=(f"{_FLOW}test_a_database_that_forgot_what_it_sent_asks_before_money_moves",),
    ),
    # --- never lost -------------------------------------------------------------------------------------------------
    _defect(
        "acknowledged before the commit",
        "the sender forgets an event that a crash then takes with it",
        ("store/writer.py", _GROUP_RUNS, _GROUP_RUNS + _GROUP_IS_ANSWERED),
        ("store/writer.py", _GROUP_IS_ANSWERED_AFTER_COMMIT, _GROUP_WAS_ANSWERED),
        caught_by=("store/test_durability.py::test_every_delivery_acknowledged_before_a_kill_is_there_afterwards",),
    ),
    _defect(
        "the disk is not waited for",
        "what was acknowledged is lost with the power",
        ("store/engine.py", '"synchronous = FULL"', '"synchronous = NORMAL"'),
        caught_by=("store/test_migrate.py::test_every_connection_is_durable_and_patient",),
    ),
    # --- money ------------------------------------------------------------------------------------------------------
    _defect(
        "float money",
        "2.005 becomes 2.00, and the memo differs from what was planned",
        (
            "core/rounding.py",
            "return price.quantize(PRECISE, ROUND_HALF_UP).quantize(CENT, ROUND_HALF_UP)",
            "return Decimal(str(round(float(price), 2))).quantize(CENT)",
        ),
        caught_by=("core/test_amounts.py::test_a_fee_is_taken_off_and_a_bonus_added_each_rounded_to_the_cent",),
    ),
    _defect(
        "the rounding rest is dropped",
        "the odd cent falls on another unit than in Magento",
        ("core/amounts.py", "self.rest = sign * (exact - rounded)", "self.rest = ZERO"),
        caught_by=(
            "core/test_amounts.py::test_the_rest_of_one_lines_rounding_goes_into_the_next_lines",
            "oracle/test_oracle.py::test_the_planner_and_the_oracle_agree",
        ),
    ),
    _defect(
        "a fee deducted every time",
        "the second refund of a return takes the restocking fee again",
        (
            "core/calls.py",
            "outstanding = draft.approved.event.fees - draft.given.fees",
            "outstanding = draft.approved.event.fees",
        ),
        caught_by=(
            "core/test_planning.py::test_fees_are_deducted_once_from_the_largest_call",
            "oracle/test_oracle.py::test_the_planner_and_the_oracle_agree",
        ),
    ),
    _defect(
        "items may be left out",
        "a request without lines refunds everything that is left",
        ("core/plan.py", "if not self.items or any(item.qty <= 0 for item in self.items):", "if False:"),
        caught_by=("core/test_plan.py::test_a_request_that_magento_would_misread_cannot_be_built",),
    ),
    _defect(
        "shipping left out when it is zero",
        "all remaining shipping goes back with the first unit",
        (
            "magento/refunds.py",
            "    if request.return_to_stock:\n",
            (
                "    if not request.shipping_amount:\n"
                '        del arguments["shipping_amount"]\n'
                "    if request.return_to_stock:\n"
            ),
        ),
        caught_by=(
            "magento/test_refunds.py::test_the_tutorial_refund_is_the_recorded_json_and_our_comment",
            "flow/test_refunds.py::test_an_approved_return_becomes_exactly_one_call_and_one_memo",
        ),
    ),
    _defect(
        "isOnline forgotten",
        "the memo is booked, and the customer never gets the money",
        ("magento/refunds.py", 'body["isOnline"] = True', 'body["isonline"] = True'),
        caught_by=(
            "magento/test_refunds.py::test_only_the_invoice_route_asks_for_money_to_move",
            "flow/test_refunds.py::test_the_clean_online_case_takes_three_reads_one_refund_and_one_mail",
        ),
    ),
    _defect(
        "the invoice's own money is not looked at",
        "one invoice pays back what another took",
        (
            "core/planning.py",
            '        if total > left:\n            text = f"invoice',
            '        if False:\n            text = f"invoice',
        ),
        caught_by=("core/test_planning.py::test_an_invoice_is_never_asked_for_more_money_than_it_holds",),
    ),
    _defect(
        "the receipt is not compared",
        "Magento gave less than was asked, and the return is shown as done",
        (
            "flow/confirm.py",
            "compare(row.request, predicted, memo, was_named_by_person=was_named)",
            "compare(row.request, predicted, memo, was_named_by_person=was_named)[:0]",
        ),
        caught_by=(f"{_FLOW}test_a_memo_that_is_not_what_was_asked_is_shown_with_both_sides",),
    ),
    # --- stock and people -------------------------------------------------------------------------------------------
    _defect(
        "the marker's stock letter is lost",
        "damaged units count as restocked ones, and the other half is never given back",
        ("core/marker.py", "{'R' if self.restocks else 'N'}", "R"),
        caught_by=("core/test_marker.py::test_a_marker_says_part_and_whether_it_restocks",),
    ),
    _defect(
        "an unknown disposition is restocked",
        "broken goods are sold again",
        (
            "core/stock_policy.py",
            "sellable = disposition.strip().lower() in policy.restock",
            'sellable = disposition != "damaged"',
        ),
        caught_by=("core/test_planning.py::test_a_disposition_nobody_configured_never_goes_back_to_stock",),
    ),
    _defect(
        "a receipt that is told twice counts twice",
        "a warehouse that repeats itself has the customer refunded again",
        ("core/folding.py", "first.setdefault(receipt.id, receipt)", "first[f'{receipt.id} {len(first)}'] = receipt"),
        caught_by=("core/test_folding.py::test_a_receipt_that_is_told_again_counts_once",),
    ),
    _defect(
        "the sender's own payment is forgotten",
        "the portal has paid, and its next event has us pay as well",
        ("core/folding.py", "if not events[-1].already_refunded and any(", "if False and any("),
        caught_by=("core/test_folding.py::test_that_the_sender_paid_is_not_forgotten_by_a_later_event",),
    ),
    _defect(
        "a cap that gives what the sender says",
        "a portal's mistake is paid out, up to all that was paid",
        ("core/portal_amounts.py", 'total, rule = computed, "agrees"', 'total, rule = wanted, "agrees"'),
        caught_by=(
            "core/test_portal_amounts.py::test_more_than_computed_is_never_given_under_a_cap_and_somebody_must_say_yes",
        ),
    ),
    _defect(
        "mailed again with every send",
        "the customer reads of three refunds and gets one",
        ("core/calls.py", " and draft.approved.may_notify and not online", " and not online"),
        caught_by=(f"{_FLOW}test_an_offline_refund_is_sent_at_most_three_times_and_mailed_once",),
    ),
    # --- who may ask ------------------------------------------------------------------------------------------------
    _defect(
        "a signature compared loosely",
        "the beginning of a signature is enough to move money",
        (
            "sources/base.py",
            "any([hmac.compare_digest(candidate, signature) for candidate in candidates])",
            "any([signature.startswith(candidate) for candidate in candidates])",
        ),
        caught_by=("sources/test_auth_contract.py::test_a_signature_without_its_last_character_is_refused",),
    ),
    _defect(
        "an old signature is good for ever",
        "a recorded delivery can be sent again next year",
        (
            "sources/auth/proofs.py",
            "if abs(age_seconds) > tolerance_seconds:",
            "if age_seconds < -tolerance_seconds:",
        ),
        caught_by=("sources/test_auth_contract.py::test_an_old_or_future_signature_is_refused_where_time_is_signed",),
    ),
    _defect(
        "the id alone is the delivery's key",
        "an unsigned id lets a second return pass for a redelivery of the first",
        (
            "sources/auth/proofs.py",
            'return f"{require_id(delivery_id, delivery_id_header)}:{body_hash}"',
            "return require_id(delivery_id, delivery_id_header)",
        ),
        caught_by=("sources/test_plain_hmac.py::test_an_id_alone_cannot_make_one_delivery_pass_for_another",),
    ),
)
