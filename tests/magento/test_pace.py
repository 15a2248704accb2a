"""How a store is spared: each rule by a clock that the test moves, with no call made."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import requests

from service.magento.pace import Pace, StorePaused
from service.magento.session import HttpAnswer
from tests.magento.fake_store import settings_for

NINE = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HANGS = requests.ReadTimeout("no answer")


class Shop:
    """A store seen through its pace: calls take no time, and a wait moves the clock."""

    def __init__(self, **changes):
        self.now = NINE
        self.slept = []
        settings = settings_for("http://shop.example", **{"circuit_failures": 3, "circuit_seconds": 30, **changes})
        self.pace = Pace(settings, now=lambda: self.now)

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)

    def call(self, outcome=200, **headers):
        """One call that is answered so, or lost."""
        with self.pace.turn(self.sleep) as turn:
            if isinstance(outcome, requests.RequestException):
                turn.lost(outcome)
            else:
                turn.answered(answer(outcome, **headers), self.now)

    def calls(self, *outcomes):
        for outcome in outcomes:
            self.call(outcome)

    def left_alone_for(self):
        return (self.pace.pause.until - self.now).total_seconds() if self.pace.pause else 0

    def later(self, seconds):
        self.now += timedelta(seconds=seconds)


def answer(status, retry_after=None, body=b"<html>", content_type="text/html"):
    return HttpAnswer(status=status, content_type=content_type, body=body, retry_after=retry_after)


# --- the circuit ------------------------------------------------------------------------------------------------------


def test_failures_in_a_row_have_the_store_left_alone():
    shop = Shop()
    shop.calls(HANGS, HANGS, HANGS)

    with pytest.raises(StorePaused, match="until 09:00:30 UTC: 3 failures in a row, the last: no answer in time"):
        shop.call()

    assert shop.pace.room() == 0


def test_one_answer_between_failures_is_enough_to_go_on():
    shop = Shop()
    shop.calls(HANGS, HANGS, 200, HANGS, 503, 404, HANGS, HANGS)

    assert shop.pace.pause is None


@pytest.mark.parametrize("outcome", [HANGS, requests.ConnectionError("reset"), 429, 500, 502, 503, 504, 521])
def test_what_counts_as_a_failure_of_the_store(outcome):
    shop = Shop(circuit_failures=1)
    shop.call(outcome)

    assert shop.pace.pause is not None


@pytest.mark.parametrize("outcome", [200, 301, 400, 401, 404])
def test_what_does_not(outcome):
    shop = Shop(circuit_failures=1)
    shop.call(outcome)

    assert shop.pace.pause is None


def test_a_500_in_magento_s_own_words_is_about_one_document_and_not_the_store():
    shop = Shop(circuit_failures=1)
    with shop.pace.turn(shop.sleep) as turn:
        turn.answered(answer(500, body=b'{"message": "Internal Error"}', content_type="application/json"), shop.now)

    assert shop.pace.pause is None


def test_one_call_goes_first_when_the_time_is_over_and_the_rest_follow_its_success():
    shop = Shop()
    shop.calls(HANGS, HANGS, HANGS)
    shop.later(30)
    room_before = shop.pace.room()

    with shop.pace.turn(shop.sleep) as trial:
        with pytest.raises(StorePaused):
            shop.call()
        trial.answered(answer(200), shop.now)
    shop.call()

    assert (room_before, trial.is_trial, shop.pace.pause) == (1, True, None)


def test_each_pause_in_a_row_is_twice_as_long_up_to_the_most():
    shop = Shop(circuit_max_seconds=100)
    shop.calls(HANGS, HANGS, HANGS)
    lengths = [shop.left_alone_for()]
    for _ in range(3):
        shop.later(lengths[-1])
        shop.call(HANGS)
        lengths.append(shop.left_alone_for())

    assert lengths == [30, 60, 100, 100]
    assert shop.pace.pause.reason == "6 failures in a row, the last: no answer in time"


def test_after_a_success_pauses_begin_short_again():
    shop = Shop()
    shop.calls(HANGS, HANGS, HANGS)
    shop.later(30)
    shop.call(HANGS)
    shop.later(60)
    shop.call(200)
    shop.calls(HANGS, HANGS, HANGS)

    assert shop.left_alone_for() == 30


def test_a_trial_that_tells_nothing_leaves_the_next_call_to_find_out():
    shop = Shop()
    shop.calls(HANGS, HANGS, HANGS)
    shop.later(30)
    with shop.pace.turn(shop.sleep):
        pass

    shop.call(200)

    assert shop.pace.pause is None


def test_an_answer_to_an_older_call_does_not_end_the_pause():
    shop = Shop(circuit_failures=1)
    with shop.pace.turn(shop.sleep) as older:
        shop.call(HANGS)
        older.answered(answer(200), shop.now)

    assert shop.left_alone_for() == 30


def test_a_clock_that_is_put_back_does_not_prolong_a_pause():
    shop = Shop()
    shop.calls(HANGS, HANGS, HANGS)
    shop.later(-86_400)

    shop.call(200)

    assert shop.pace.pause is None


# --- Retry-After ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("said", ["120", "Mon, 23 Nov 2026 09:02:00 GMT"])
def test_a_store_is_not_asked_before_the_time_it_named(status, said):
    shop = Shop()
    shop.call(status, retry_after=said)
    shop.later(119)

    with pytest.raises(StorePaused, match=f"it answered {status}, and asked for 120 s"):
        shop.call()
    shop.later(1)
    shop.call()


def test_too_many_requests_without_a_time_is_a_pause_of_seconds():
    shop = Shop()
    shop.call(429)

    assert shop.left_alone_for() == 5


def test_a_wish_for_a_year_is_asked_about_within_the_hour():
    shop = Shop()
    shop.call(503, retry_after="999999")

    assert shop.left_alone_for() == 3600


def test_the_longer_of_two_wishes_counts_when_calls_were_under_way():
    shop = Shop()
    with shop.pace.turn(shop.sleep) as one, shop.pace.turn(shop.sleep) as other:
        one.answered(answer(429, retry_after="60"), shop.now)
        other.answered(answer(429, retry_after="10"), shop.now)

    assert shop.left_alone_for() == 60


# --- how many ---------------------------------------------------------------------------------------------------------


def test_too_much_halves_what_goes_at_once_and_answers_bring_it_back_one_by_one():
    shop = Shop(max_concurrency=8, circuit_failures=100)
    rooms = [shop.pace.room()]
    for outcome in (504, 504, *[200] * 2, *[200] * 3):
        shop.call(outcome)
        rooms.append(shop.pace.room())

    assert rooms == [8, 4, 2, 2, 2, 3, 3, 3]
    shop.calls(*[200] * 100)
    assert shop.pace.room() == 8


def test_at_least_one_call_is_always_allowed():
    shop = Shop(max_concurrency=2, circuit_failures=100)
    shop.calls(*[504] * 20)

    assert shop.pace.room() == 1


def test_after_a_pause_calls_begin_one_at_a_time():
    shop = Shop(max_concurrency=8)
    shop.calls(HANGS, HANGS, HANGS)
    shop.later(30)
    shop.call(200)

    assert shop.pace.room() == 1


def test_a_call_that_has_to_wait_for_its_turn_gets_it_when_another_ends():
    shop = Shop(max_concurrency=1)
    began = threading.Event()

    def second():
        with shop.pace.turn(shop.sleep):
            began.set()

    with shop.pace.turn(shop.sleep):
        thread = threading.Thread(target=second)
        thread.start()
        assert not began.wait(0.1)
    thread.join(10)

    assert began.is_set()


def test_calls_beyond_the_rate_wait_each_a_little_longer():
    shop = Shop(calls_per_second=2.0)
    for _ in range(5):
        shop.call()

    assert shop.slept == [0.5, 0.5, 0.5]
    assert shop.now - NINE == timedelta(seconds=1.5)


def test_a_quiet_hour_saves_up_no_more_than_a_second_s_calls():
    shop = Shop(calls_per_second=2.0)
    shop.later(3600)
    for _ in range(3):
        shop.call()

    assert shop.slept == [0.5]


def test_calls_that_ask_at_once_are_spread():
    shop = Shop(calls_per_second=1.0)
    waits = []
    with shop.pace.turn(waits.append), shop.pace.turn(waits.append), shop.pace.turn(waits.append):
        pass

    assert waits == [1.0, 2.0]


def test_no_more_deliveries_are_begun_than_calls_may_be_made_in_a_second():
    assert Shop(calls_per_second=2.5, max_concurrency=8).pace.room() == 2
