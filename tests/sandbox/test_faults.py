import threading

import pytest

from service.sandbox.faults import BadFaultError, Fault, Kind, build_faults, parse_fault, read_fault
from service.sandbox.http import Answer, ConnectionDropped, Request

REFUND = Request(method="POST", path="/rest/default/V1/order/269/refund")
READ = Request(method="GET", path="/rest/V1/orders/269?fields=state")


class FakeGateway:
    def __init__(self):
        self.latency_seconds = 0.0
        self.declines = 0
        self.rollbacks = 0

    def decline_next(self, n):
        self.declines += n

    def roll_back_next(self, n):
        self.rollbacks += n


class FakeStore:
    """Counts the requests that had their effect."""

    def __init__(self):
        self.effects = 0

    def handle(self, request):
        self.effects += 1
        return Answer(status=200, body=b'"37"')


def strike(text, *, store, request=REFUND, **given):
    return build_faults([parse_fault(text)], **given).apply(request, store.handle)


@pytest.mark.parametrize(
    ("rule", "effects"),
    [("POST */refund lost-before", 0), ("POST */refund lost-after", 1)],
)
def test_a_lost_answer_looks_the_same_whether_or_not_something_happened(rule, effects):
    store = FakeStore()

    with pytest.raises(ConnectionDropped):
        strike(rule, store=store)

    assert store.effects == effects


@pytest.mark.parametrize(
    ("kind", "status", "effects"),
    [
        ("500", 500, 0),
        ("500-before", 500, 0),
        ("500-after", 500, 1),
        ("502-after", 502, 1),
        ("504-after", 504, 1),
        ("401", 401, 0),
        ("418", 418, 0),
        ("status-after status=500", 500, 1),
        ("maintenance", 503, 0),
        ("html-200-after", 200, 1),
    ],
)
def test_a_status_says_whether_the_effect_happened(kind, status, effects):
    store = FakeStore()

    answer = strike(f"POST */refund {kind}", store=store)

    assert (answer.status, store.effects) == (status, effects)
    assert answer.body != b'"37"'


@pytest.mark.parametrize(
    ("rule", "retry_after"),
    [("* * 429", "2"), ("* * maintenance", "5"), ("* * 503 retry-after=30", "30"), ("* * 502", None)],
)
def test_a_busy_server_says_when_to_come_back(rule, retry_after):
    assert strike(rule, store=FakeStore()).headers.get("Retry-After") == retry_after


@pytest.mark.parametrize(
    ("rule", "content_type", "body"),
    [
        ("* * 500", "application/json", b"Report ID: webapi-"),
        ("* * 403", "text/html", b"<h1>403 Forbidden</h1>"),
        ("* * html-200-after", "text/html", b"<h1>"),
        ("""* * 500 body='{"message": "mine"}'""", "application/json", b'{"message": "mine"}'),
        ("* * 500 body='<p>mine</p>'", "text/html", b"<p>mine</p>"),
    ],
)
def test_an_answer_has_the_body_of_who_usually_sends_it(rule, content_type, body):
    answer = strike(rule, store=FakeStore())

    assert answer.content_type.startswith(content_type)
    assert body in answer.body


def test_a_truncated_answer_promises_more_than_it_sends():
    store = FakeStore()

    answer = strike("POST * truncated", store=store)

    assert answer.body == b'"3'
    assert answer.headers["Content-Length"] == "4"
    assert store.effects == 1


def test_latency_waits_and_then_goes_on():
    waited = []

    answer = strike("* * latency seconds=0.5", store=FakeStore(), sleep=waited.append)

    assert waited == [0.5]
    assert answer.body == b'"37"'


def test_a_decline_reaches_the_gateway():
    gateway = FakeGateway()

    strike("POST */refund decline", store=FakeStore(), gateway=gateway)

    assert gateway.declines == 1


def test_a_rollback_after_the_payment_reaches_the_gateway():
    gateway = FakeGateway()

    strike("POST */refund paid-rolled-back", store=FakeStore(), gateway=gateway)

    assert gateway.rollbacks == 1


def test_the_gateway_is_slow_for_as_long_as_the_request_lasts():
    gateway, seen = FakeGateway(), []
    faults = build_faults([parse_fault("* * slow-gateway seconds=2.5")], gateway=gateway)

    def handle(request):
        seen.append(gateway.latency_seconds)
        return Answer(status=200, body=b"")

    faults.apply(REFUND, handle)

    assert seen == [2.5]
    assert gateway.latency_seconds == 0.0


def test_a_gateway_fault_without_a_gateway_says_so():
    with pytest.raises(BadFaultError, match=r"gateway=store\.gateway"):
        strike("* * decline", store=FakeStore())


@pytest.mark.parametrize(
    ("rule", "request_", "is_struck"),
    [
        ("POST */refund 500", REFUND, True),
        ("post */refund 500", REFUND, True),
        ("GET */refund 500", REFUND, False),
        ("* */V1/orders/* 500", READ, True),
        ("* *fields* 500", READ, False),
        ("* * 500", Request(method="DELETE", path="/sandbox/faults"), False),
    ],
)
def test_a_rule_is_about_a_method_and_a_path_without_its_query(rule, request_, is_struck):
    answer = strike(rule, store=FakeStore(), request=request_)

    assert (answer.status == 500) is is_struck


def test_a_rule_can_be_about_one_order():
    def order_of(request):
        return "000000101" if "/269/" in request.path else "000000102"

    faults = build_faults([parse_fault("* * 500 order=000000101")], order_of=order_of)
    other = Request(method="POST", path="/rest/V1/order/270/refund")

    assert faults.apply(other, FakeStore().handle).status == 200
    assert faults.apply(REFUND, FakeStore().handle).status == 500


def test_a_rule_strikes_as_often_as_it_says_and_after_as_many_as_it_says():
    faults = build_faults([parse_fault("* * 500 after=1 times=2")])

    statuses = [faults.apply(REFUND, FakeStore().handle).status for _ in range(5)]

    assert statuses == [200, 500, 500, 200, 200]
    assert faults.in_force() == ()


def test_rules_that_answer_take_turns():
    faults = build_faults([parse_fault("* * 500 times=1"), parse_fault("* * 502 times=1")])

    assert [faults.apply(REFUND, FakeStore().handle).status for _ in range(3)] == [500, 502, 200]


def test_rules_that_only_delay_go_together_with_one_that_answers():
    waited = []
    rules = [parse_fault("* * 500"), parse_fault("* * latency seconds=1")]

    answer = build_faults(rules, sleep=waited.append).apply(REFUND, FakeStore().handle)

    assert (answer.status, waited) == (500, [1.0])


def test_lifting_takes_every_rule_away():
    faults = build_faults([parse_fault("* * maintenance")])
    assert faults.apply(REFUND, FakeStore().handle).status == 503

    faults.lift()

    assert faults.apply(REFUND, FakeStore().handle).status == 200


def test_of_many_requests_at_once_a_rule_strikes_exactly_as_many_as_it_says():
    faults = build_faults([parse_fault("* * 500 times=10")])
    start, statuses = threading.Barrier(8), []

    def send():
        start.wait()
        statuses.extend(faults.apply(REFUND, lambda _: Answer(status=200, body=b"")).status for _ in range(5))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (statuses.count(500), statuses.count(200)) == (10, 30)


@pytest.mark.parametrize(
    "rule",
    [
        Fault(kind=Kind.LOST_AFTER, method="POST", path="*/refund", times=1),
        Fault(kind=Kind.STATUS_AFTER, status=502, after=2, order="000000101"),
        Fault(kind=Kind.SLOW_GATEWAY, seconds=1.5),
        Fault(kind=Kind.STATUS_BEFORE, status=429, retry_after=7, body="slow down"),
    ],
)
def test_a_rule_survives_its_json_form(rule):
    assert read_fault(rule.to_document()) == rule


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("lost-after", r"write METHOD PATH KIND"),
        ("POST * lost-after once", r"'once' is no key=value"),
        ("POST * exploded", r"(?s)'exploded' is none of.*lost-after: the connection drops"),
        ("POST * lost-after time=1", r"'time' is none of kind, method, path, times"),
        ("POST * lost-after times=often", r"times='often': a whole number"),
        ("POST * lost-after times=0", r"times is 1 or more"),
        ("POST * latency", r"latency needs seconds"),
        ("POST * latency seconds=soon", r"seconds='soon': a number of seconds"),
        ("POST * status-after", r"needs a status from 200 to 599"),
        ("POST * 777", r"needs a status from 200 to 599"),
        ("POST * 500 body='open", r"quot"),
    ],
)
def test_a_rule_that_makes_no_sense_says_why(text, complaint):
    with pytest.raises(BadFaultError, match=complaint):
        parse_fault(text)


def test_a_json_rule_without_a_kind_says_so():
    with pytest.raises(BadFaultError, match="needs a kind"):
        read_fault({"method": "POST"})
