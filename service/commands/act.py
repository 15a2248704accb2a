"""Commands that change something: each with a named actor, each in the journal, as the API does them."""

from __future__ import annotations

import click

from service.commands.invocation import Invocation, actor_of, actor_option, json_option
from service.commands.pages import plan_lines
from service.commands.shown import readable, say, say_json
from service.errors import BadRequest
from service.flow import answers
from service.runtime import Runtime
from service.store import Settlement, format_id, kind_of, parse_id
from service.web.api.shapes import RefundShape, SwitchShape, dump, dump_all

_WORKER_GOES_ON = "the worker takes it up at once"


@click.command(name="approve")
@click.argument("return_id", metavar="RETURN")
@click.option(
    "--fingerprint", metavar="F", help="The plan you say yes to; without it, the plan is shown and asked about."
)
@actor_option
@json_option
@click.pass_obj
def approve_command(
    invocation: Invocation, *, return_id: str, fingerprint: str | None, actor: str | None, as_json: bool
) -> None:
    """Say yes to exactly one plan of a return.

    If the order changed since and planning gives another, that one has to be approved again.
    """
    with invocation.open_runtime() as runtime:
        number = _return_of(runtime, return_id)
        chosen = fingerprint or _ask_for_yes(runtime, number)
        answers.approve(runtime, number, chosen, actor_of(invocation, actor))
    _done(f"approved {chosen}; {_WORKER_GOES_ON}", {"return": return_id, "approved": chosen}, as_json=as_json)


def _ask_for_yes(runtime: Runtime, number: int) -> str:
    case = runtime.store.returns.case(number)
    if case.plan is None or not case.plan_fingerprint:
        name = format_id("return", number)
        raise BadRequest(f"{name} has no plan that could be approved; see: refundry show {name}")
    for line in plan_lines(case.plan):
        click.echo(line, err=True)
    click.confirm("\nApprove exactly this?", abort=True, err=True)
    return case.plan_fingerprint


@click.command(name="retry")
@click.argument("public_id", metavar="ID")
@actor_option
@json_option
@click.pass_obj
def retry_command(invocation: Invocation, *, public_id: str, actor: str | None, as_json: bool) -> None:
    """Look again now, without waiting.

    ID is a return (ret_…), one of its refunds (ref_…) or a delivery (del_…).
    """
    with invocation.open_runtime() as runtime:
        if kind_of(public_id) == "delivery":
            number = parse_id("delivery", public_id)
            runtime.store.inbox.delivery(number)
            answers.replay(runtime, number, actor_of(invocation, actor))
        else:
            answers.retry(runtime, _return_of(runtime, public_id), actor_of(invocation, actor))
    _done(f"{public_id} is due now; {_WORKER_GOES_ON}", {"retried": public_id}, as_json=as_json)


@click.command(name="settle")
@click.argument("refund_id", metavar="REFUND")
@click.option("--memo", "memo_id", type=click.IntRange(1), help="It was paid: this is its credit memo (entity id).")
@click.option("--paid-no-memo", is_flag=True, help="The gateway paid, and Magento has no memo for it.")
@click.option("--further", is_flag=True, help="With --paid-no-memo: besides a memo that was answered for.")
@click.option("--not-paid", is_flag=True, help="Nothing was paid; it may be sent again.")
@click.option(
    "--sends",
    type=click.IntRange(1),
    help="How many calls you looked at; needed where it was sent more than once, and refused if there was another.",
)
@click.option("--reason", required=True, help="How you know; goes to the journal.")
@actor_option
@json_option
@click.pass_obj
def settle_command(
    invocation: Invocation,
    *,
    refund_id: str,
    memo_id: int | None,
    paid_no_memo: bool,
    further: bool,
    not_paid: bool,
    sends: int | None,
    reason: str,
    actor: str | None,
    as_json: bool,
) -> None:
    """Say what became of a refund whose answer was lost.

    Look at the payment gateway first: what you say is believed. That nothing was paid can be said only when Magento
    can no longer be working on it (settle_seconds after the call). With --memo, a refund that was paid without a memo
    is given the one that books it later.
    """
    if [memo_id is not None, paid_no_memo, not_paid].count(True) != 1:
        raise click.UsageError("say one of --memo ID, --paid-no-memo and --not-paid")
    if further and not paid_no_memo:
        raise click.UsageError("--further goes with --paid-no-memo alone")
    decision = (
        Settlement.MEMO if memo_id is not None else Settlement.PAID_NO_MEMO if paid_no_memo else Settlement.NOT_PAID
    )
    number = parse_id("refund", refund_id)
    with invocation.open_runtime() as runtime:
        row = answers.settle(
            runtime,
            number,
            decision,
            actor_of(invocation, actor),
            memo_id=memo_id,
            text=reason,
            sends=sends,
            is_further=further,
        )
    _done(f"{refund_id} is {row.state}: {decision}", dump(RefundShape(), row), as_json=as_json)


@click.command(name="answer")
@click.argument("return_id", metavar="RETURN")
@click.option("--memo", "memo_id", type=click.IntRange(1), required=True, help="The credit memo that is asked about.")
@click.option(
    "--this-return/--something-else",
    "is_this_return",
    required=True,
    default=None,
    help="Whether it gave back this return.",
)
@click.option("--further", is_flag=True, help="With --this-return: besides a refund that was paid without a memo.")
@actor_option
@json_option
@click.pass_obj
def answer_command(
    invocation: Invocation,
    *,
    return_id: str,
    memo_id: int,
    is_this_return: bool,
    further: bool,
    actor: str | None,
    as_json: bool,
) -> None:
    """Say whether somebody else's memo gave back a return.

    One that only books what a refund was paid without is that refund's: refundry settle REFUND --memo ID.
    """
    if further and not is_this_return:
        raise click.UsageError("--further goes with --this-return alone")
    with invocation.open_runtime() as runtime:
        number = _return_of(runtime, return_id)
        name = actor_of(invocation, actor)
        answers.answer_memo(runtime, number, memo_id, name, is_this_return=is_this_return, is_further=further)
    said = "this return" if is_this_return else "something else"
    content = {"return": return_id, "memo_id": memo_id, "is_this_return": is_this_return}
    _done(f"memo {memo_id} is {said}; {_WORKER_GOES_ON}", content, as_json=as_json)


@click.command(name="dismiss")
@click.argument("public_id", metavar="ID")
@click.option("--reason", required=True, help="Why nothing is to be done; goes to the journal.")
@actor_option
@json_option
@click.pass_obj
def dismiss_command(invocation: Invocation, *, public_id: str, reason: str, actor: str | None, as_json: bool) -> None:
    """Say that nothing is to be done about a question.

    ID is a return (ret_…) or a delivery (del_…) that waits for a person or could not be read. No money moves, and a
    newer event of the same return asks anew.
    """
    with invocation.open_runtime() as runtime:
        name = actor_of(invocation, actor)
        if kind_of(public_id) == "delivery":
            count = answers.dismiss(runtime, name, reason, delivery_id=parse_id("delivery", public_id))
        else:
            count = answers.dismiss(runtime, name, reason, return_id=_return_of(runtime, public_id))
    deliveries = "1 delivery" if count == 1 else f"{count} deliveries"
    _done(f"{deliveries} of {public_id} dismissed", {"dismissed": public_id, "deliveries": count}, as_json=as_json)


@click.command(name="acknowledge")
@click.argument("refund_id", metavar="REFUND")
@click.option("--alarm", metavar="A", help="The alarm you have seen to; without it, it is shown and asked about.")
@click.option("--reason", required=True, help="What you found; goes to the journal.")
@actor_option
@json_option
@click.pass_obj
def acknowledge_command(
    invocation: Invocation, *, refund_id: str, alarm: str | None, reason: str, actor: str | None, as_json: bool
) -> None:
    """Say that an alarm about a finished refund was seen to.

    It is taken off the list; what was found stays in the journal. Nothing is sent. If something else was found since,
    that has to be seen to as well.
    """
    number = parse_id("refund", refund_id)
    with invocation.open_runtime() as runtime:
        seen = _ask_whether_seen_to(runtime, number) if alarm is None else alarm
        row = answers.acknowledge(runtime, number, seen, actor_of(invocation, actor), reason)
    _done(f"{refund_id} needs nobody any more", dump(RefundShape(), row), as_json=as_json)


def _ask_whether_seen_to(runtime: Runtime, number: int) -> str:
    row = runtime.store.refunds.row(number)
    if row.alarm:
        click.echo(readable(row.reason), err=True)
        click.confirm("\nHave you seen to all of this?", abort=True, err=True)
    return row.alarm


@click.command(name="stop")
@click.argument("scope", metavar="[SCOPE]", default="all")
@click.option("--reason", default="", help="Why; shown wherever something waits because of it.")
@actor_option
@json_option
@click.pass_obj
def stop_command(invocation: Invocation, *, scope: str, reason: str, actor: str | None, as_json: bool) -> None:
    """Stop all refunds, or a store's, or a source's.

    SCOPE is all, store:NAME or source:NAME. Deliveries are still taken in and planned.
    """
    with invocation.open_runtime() as runtime:
        answers.stop(runtime, scope, actor_of(invocation, actor), reason)
        switches = runtime.store.switches.all()
    _done(
        f"{scope}: stopped; refundry go {scope} lets it run again",
        {"stops": dump_all(SwitchShape(), switches)},
        as_json=as_json,
    )


@click.command(name="go")
@click.argument("scope", metavar="[SCOPE]", default="all")
@actor_option
@json_option
@click.pass_obj
def go_command(invocation: Invocation, *, scope: str, actor: str | None, as_json: bool) -> None:
    """Let refunds run again.

    SCOPE is the one that was stopped.
    """
    with invocation.open_runtime() as runtime:
        before = {switch.scope for switch in runtime.store.switches.all()}
        answers.go(runtime, scope, actor_of(invocation, actor))
        left = runtime.store.switches.all()
    said = f"{scope}: refunds run again" if scope in before else f"{scope} was not stopped"
    if left:
        said += f"; still stopped: {', '.join(switch.scope for switch in left)}"
    _done(said, {"stops": dump_all(SwitchShape(), left)}, as_json=as_json)


def _return_of(runtime: Runtime, public_id: str) -> int:
    """The return that an id names, or that a refund's id belongs to."""
    kind = kind_of(public_id)
    if kind == "refund":
        return runtime.store.refunds.row(parse_id(kind, public_id)).return_id
    number = parse_id("return", public_id)
    return runtime.store.returns.case(number).id


def _done(said: str, content: object, *, as_json: bool) -> None:
    if as_json:
        say_json(content)
    else:
        say(said)
