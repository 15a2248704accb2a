from datetime import timedelta
from pathlib import Path

from tests.store.examples import delivery


def checks(answer):
    return {each["name"]: each["ok"] for each in answer.json["checks"]}


def test_a_living_process_needs_nothing_else(client, database_url):
    Path(database_url.removeprefix("sqlite:///")).unlink()

    assert (client.get("/healthz").status_code, client.get("/healthz").json) == (200, {"status": "ok"})


def test_a_service_with_a_living_worker_is_ready(client, store, clock):
    store.beat("w1", clock.now)

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json["status"]) == (200, "ready")
    assert checks(answer) == {"database": True, "worker": True, "backlog": True}


def test_without_a_worker_the_door_stays_open(client):
    assert client.get("/readyz").status_code == 503
    assert client.get("/readyz/intake").status_code == 200


def test_a_worker_that_fell_silent_is_seen(client, store, clock):
    store.beat("w1", clock.now)
    clock.pass_by(seconds=61)

    answer = client.get("/readyz")

    assert (answer.status_code, checks(answer)["worker"]) == (503, False)


def test_a_delivery_that_nobody_takes_is_seen_after_two_leases(client, store, clock):
    store.inbox.receive(delivery(received_at=clock.now))
    found = []
    for seconds in (600, 1):
        clock.pass_by(seconds=seconds)
        store.beat("w1", clock.now)
        found.append(client.get("/readyz").status_code)

    assert found == [200, 503]


def test_a_database_that_is_gone_is_named_without_its_place(client, database_url):
    file = Path(database_url.removeprefix("sqlite:///"))
    for each in file.parent.glob("refundry.db*"):
        each.unlink()
    file.mkdir()

    answer = client.get("/readyz")

    assert (answer.status_code, checks(answer)) == (503, {"database": False})
    assert str(file.parent) not in answer.text


def test_what_waits_for_a_shop_that_is_left_alone_is_not_stuck(client, store, clock):
    store.inbox.receive(delivery(received_at=clock.now))
    clock.pass_by(seconds=601)
    store.beat("w1", clock.now)
    store.pauses.set("main", clock.now + timedelta(seconds=60), "it answered 503", worker="w1", now=clock.now)

    during = client.get("/readyz")
    clock.pass_by(seconds=60)
    store.beat("w1", clock.now)

    assert (during.status_code, client.get("/readyz").status_code) == (200, 503)
    assert during.json["checks"][-1]["detail"] == "nothing is due but for shops left alone"
