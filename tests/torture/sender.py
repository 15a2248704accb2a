"""The senders: they post each message until somebody answers that it is stored, as a portal's retries would.

What was answered with 200 or 202 is remembered by id and hash: exactly that may never be lost.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Sequence
from http.client import HTTPException

from service.commands.deliver import NoAnswer, post, webhook_url
from service.settings import SourceSettings
from service.sources import sign
from service.store import parse_id
from tests.torture.clock import FastClock
from tests.torture.load import Message

_THREADS = 4

#: A pause after nobody answered; the web is being started again.
_PAUSE_SECONDS = 0.1

_TIMEOUT_SECONDS = 10.0


class Senders:
    """Threads that send messages in turn, as far as they have been released."""

    def __init__(self, *, url: str, source: SourceSettings, clock: FastClock, messages: Sequence[Message]) -> None:
        self._url = webhook_url(url, source.name)
        self._source = source
        self._clock = clock
        self._messages = messages
        self._next = 0
        self._released = 0
        self._stopped = False
        self._changed = threading.Condition()
        #: Delivery id → the SHA-256 of the bytes that were acknowledged under it.
        self.acknowledged: dict[int, str] = {}
        self.answers = 0
        self.unanswered = 0
        self._threads = [threading.Thread(target=self._run, name=f"sender-{number}") for number in range(_THREADS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def release(self, share: float) -> None:
        """Let this share of the messages out, 0 to 1."""
        with self._changed:
            self._released = max(self._released, round(len(self._messages) * min(share, 1.0)))
            self._changed.notify_all()

    def stop(self) -> None:
        """Give up what is not sent yet."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    @property
    def is_done(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while (message := self._take()) is not None:
            while not self._stopped and not self._send(message):
                time.sleep(_PAUSE_SECONDS)

    def _take(self) -> Message | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._next < self._released or self._is_all_taken())
            if self._stopped or self._is_all_taken():
                return None
            self._next += 1
            return self._messages[self._next - 1]

    def _is_all_taken(self) -> bool:
        return self._next == len(self._messages)

    def _send(self, message: Message) -> bool:
        headers = sign(self._source, message.body, self._clock(), message.delivery_id)
        try:
            answer = post(self._url, message.body, headers, timeout_seconds=_TIMEOUT_SECONDS)
        except (NoAnswer, HTTPException):
            self.unanswered += 1
            return False
        if not answer.is_accepted:
            self.unanswered += 1
            return False
        delivery_id = parse_id("delivery", json.loads(answer.body)["delivery_id"])
        with self._changed:
            self.acknowledged[delivery_id] = hashlib.sha256(message.body).hexdigest()
            self.answers += 1
        return True
