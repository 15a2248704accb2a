"""Requests to one store: each in its turn (pace.py), and which of them may be sent again.

A read is repeated when a connection or a proxy failed; a post never is. One 401 is answered by one renewed token and
one repeat, for a refund too: Magento checks rights before it looks at the order.
Source: recordings/auth-missing-and-bad-token.json (an unknown order without a token is 401, not 404).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

import requests
from requests.auth import AuthBase

from service.errors import MagentoUnavailable, MagentoUnreadable
from service.magento.auth import Auth, NoAuth
from service.magento.pace import Pace, StorePaused, Turn
from service.magento.said import read_json, read_refusal
from service.magento.session import (
    AnswerTooLarge,
    HttpAnswer,
    HttpCall,
    SessionFactory,
    failure_text,
    send_call,
)
from service.settings import StoreSettings

# Two repeats ride out a restarting web server; a store that is down is the caller's to wait for.
_PAUSES_SECONDS = (0.5, 1.5)

_PASSING_STATUSES = frozenset({502, 503, 504})

_PASSING_FAILURES = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)

_log = logging.getLogger(__name__)


class TooLate(requests.RequestException):
    """The caller's time ran out while this request waited for its turn or its token. It was not sent."""


class Transport:
    def __init__(
        self,
        settings: StoreSettings,
        *,
        auth: Auth,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
        open_session: SessionFactory,
    ) -> None:
        self._settings = settings
        self._auth = auth
        self._now = now
        self._sleep = sleep
        self._open_session = open_session
        self._pooled = open_session(settings.max_concurrency)
        self.pace = Pace(settings, now=now)

    def rest_url(self, path: str, query: str = "") -> str:
        """The address of a path below the store code, such as /V1/orders."""
        code = f"/{self._settings.store_code}" if self._settings.store_code else ""
        return self._url(f"/rest{code}{path}") + (f"?{query}" if query else "")

    def read(self, path: str, query: str = "") -> HttpAnswer:
        """The answer to a GET, whatever its status; MagentoUnavailable when there is none."""
        return self._read(self.rest_url(path, query), self._auth)

    def read_open(self, path: str) -> HttpAnswer:
        """The answer to a GET below base_url that needs no rights."""
        return self._read(self._url(path), NoAuth())

    def post_once(
        self,
        path: str,
        body: Any,
        *,
        read_timeout_seconds: float,
        may_send: Callable[[], bool] = lambda: True,
    ) -> HttpAnswer:
        """The answer to a POST on a connection of its own.

        Raises requests' exceptions; two of them mean that nothing was sent: StorePaused, and TooLate when `may_send`
        says no as everything else is ready. MagentoError means that signing in failed, and nothing was sent either.
        """
        content = json.dumps(body).encode()

        def send(credentials: AuthBase | None) -> HttpAnswer:
            if not may_send():
                raise TooLate("its time ran out before it was sent")
            call = HttpCall(
                method="POST",
                url=self.rest_url(path),
                auth=credentials,
                body=content,
                connect_timeout_seconds=self._settings.connect_timeout_seconds,
                read_timeout_seconds=read_timeout_seconds,
                closes=True,
            )
            with self._open_session(1) as session:
                return send_call(session, call)

        with self.pace.turn(self._sleep) as turn:
            return self._send(send, self._auth, turn)

    def close(self) -> None:
        self._pooled.close()

    def _url(self, path: str) -> str:
        return self._settings.base_url.rstrip("/") + path

    def _read(self, url: str, auth: Auth) -> HttpAnswer:
        def send(credentials: AuthBase | None) -> HttpAnswer:
            call = HttpCall(
                method="GET",
                url=url,
                auth=credentials,
                connect_timeout_seconds=self._settings.connect_timeout_seconds,
                read_timeout_seconds=self._settings.read_timeout_seconds,
            )
            return send_call(self._pooled, call)

        pauses = iter(_PAUSES_SECONDS)
        while True:
            pause = next(pauses, None)
            try:
                with self.pace.turn(self._sleep) as turn:
                    answer = self._send(send, auth, turn)
                why = str(answer.status)
            except StorePaused as error:
                raise MagentoUnavailable(
                    str(error), retry_after_seconds=error.seconds, store=self._settings.name
                ) from error
            except requests.RequestException as error:
                if pause is None or not isinstance(error, _PASSING_FAILURES):
                    raise self._failed_read(error) from error
                why = failure_text(error)
            else:
                # A store that says when to come back is not asked before: the caller waits.
                if pause is None or answer.status not in _PASSING_STATUSES or answer.retry_after is not None:
                    return answer
            _log.info("read repeated", extra={"store": self._settings.name, "reason": why, "pause_seconds": pause})
            self._sleep(pause)

    def _send(self, send: Callable[[AuthBase | None], HttpAnswer], auth: Auth, turn: Turn) -> HttpAnswer:
        """What one call in its turn was answered; the pace hears of it, signing in included."""
        try:
            answer = _send_with_renewal(send, auth)
        except TooLate:
            raise
        except requests.RequestException as error:
            turn.lost(error)
            raise
        except MagentoUnavailable as error:
            turn.refused(error)
            raise
        turn.answered(answer, self._now())
        return answer

    def _failed_read(self, error: requests.RequestException) -> MagentoUnavailable | MagentoUnreadable:
        name = self._settings.name
        if isinstance(error, AnswerTooLarge):
            return MagentoUnreadable(f"store {name}: {error}", store=name)
        return MagentoUnavailable(f"store {name}: no answer ({failure_text(error)}); check base_url", store=name)


def _send_with_renewal(send: Callable[[AuthBase | None], HttpAnswer], auth: Auth) -> HttpAnswer:
    credentials = auth.credentials()
    answer = send(credentials)
    if _is_magentos_401(answer) and auth.renew(credentials):
        return send(auth.credentials())
    return answer


def _is_magentos_401(answer: HttpAnswer) -> bool:
    return answer.status == 401 and read_refusal(read_json(answer.content_type, answer.body)) is not None
