"""Magento's REST front: who may, which route a path means, and what becomes of what goes wrong.

Order of checks as in Magento: the answer's format, the store code, the route, rights, the input, then the order.
Source: recordings/store-code-in-path.json, malformed-requests.json, unknown-order.json,
auth-missing-and-bad-token.json.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator
from dataclasses import replace
from typing import Any

from service.sandbox import inputs
from service.sandbox.access import Access, SignatureError, UnauthorizedError
from service.sandbox.bulk import enqueue
from service.sandbox.documents import Document
from service.sandbox.formats import HTML, choose_format, render_error_page
from service.sandbox.http import Answer, Request
from service.sandbox.routes import ANONYMOUS, ROUTES, Call, Route
from service.sandbox.search import MissingParameterError, Parameters, filter_fields, parse_parameters
from service.sandbox.shop import NotFoundError, Point, Shop
from service.sandbox.totals import PhpFailureError, RefusedError


def serve(shop: Shop, access: Access, request: Request) -> Generator[Point, None, Answer]:
    """Answers one request, in steps; nothing that Magento could do ends in an exception here."""
    path, _, query = request.path.partition("?")
    if path.rstrip("/") in {"/magento_version", "/index.php/magento_version"}:
        version = ".".join(shop.quirks.magento_version.split(".")[:2])
        return Answer(status=200, body=f"Magento/{version} (Community)".encode(), content_type=HTML)
    render = choose_format(request.header("Accept"))
    if render is None:
        return render_error_page(500)
    try:
        call, route = _match(shop, access, request, path, parse_parameters(query))
        if route.resource != ANONYMOUS:
            _authorize(call, route)
        status, result = yield from _run(call, route)
    except inputs.ErrorPageError as page:
        return render_error_page(page.status)
    except (RefusedError, PhpFailureError) as error:
        status, document = _describe(error, request)
        return render(status, document)
    return render(status, result)


def _authorize(call: Call, route: Route) -> None:
    try:
        call.access.check(call.request, route.resource)
    except UnauthorizedError:
        raise _NoRightError(route.resource) from None


class _NoRightError(RefusedError):
    def __init__(self, resource: str) -> None:
        super().__init__("The consumer isn't authorized to access %resources.")
        self.resource = resource


def _run(call: Call, route: Route) -> Generator[Point, None, tuple[int, Any]]:
    """The status and the document of an answer that nothing stands against."""
    if call.is_async:
        what = "invoice" if "/invoice/" in call.request.path else "order"
        body = inputs.read_body(call.request)
        return 202, enqueue(call.shop, what=what, entity_id=call.at["id"], body=body)
    if call.request.method in {"POST", "PUT", "DELETE"}:
        body = {**inputs.read_body(call.request), **call.query}
        call = replace(call, body=body)
    result = route.run(call)
    if isinstance(result, Generator):
        result = yield from result
    fields = call.query.get("fields")
    if call.request.method == "GET" and isinstance(fields, str) and isinstance(result, dict | list):
        result = filter_fields(result, fields)
    return 200, result


def _describe(error: RefusedError | PhpFailureError, request: Request) -> tuple[int, Document]:
    if isinstance(error, PhpFailureError):
        digest = hashlib.sha256(repr((request.path, str(error))).encode()).hexdigest()[:13]
        return 500, {
            "message": f"Internal Error. Details are available in Magento log file. Report ID: webapi-{digest}"
        }
    document: Document = {"message": error.message}
    status = 400
    if isinstance(error, NotFoundError | _NoRouteError):
        status = 404
    elif isinstance(error, SignatureError):
        status = error.status
    elif isinstance(error, _NoRightError):
        status = 401
        document["parameters"] = {"resources": error.resource}
    elif isinstance(error, MissingParameterError):
        document["parameters"] = {"fieldName": error.name}
    elif isinstance(error, inputs.WrongTypeError | inputs.RequiredError):
        document["parameters"] = error.named
    if error.parameters:
        document["parameters"] = list(error.parameters)
    return status, document


class _NoRouteError(RefusedError):
    def __init__(self) -> None:
        super().__init__("Request does not match any route.")


def _match(shop: Shop, access: Access, request: Request, path: str, query: Parameters) -> tuple[Call, Route]:
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["index.php"]:
        parts = parts[1:]
    if parts[:1] != ["rest"]:
        raise _NoRouteError
    parts = parts[1:]
    if parts and parts[0] in shop.settings.store_codes:
        parts = parts[1:]
    is_async = parts[:1] == ["async"]
    parts = parts[1:] if is_async else parts
    if not parts or not re.fullmatch(r"V\d+", parts[0]):
        raise RefusedError("Specified request cannot be processed.")
    resource_path = "/".join(parts)
    for route in ROUTES:
        found = route.pattern.fullmatch(resource_path)
        if found and route.method == request.method.upper():
            call = Call(
                shop=shop,
                access=access,
                request=request,
                at=found.groupdict(),
                query=query,
                body={},
                is_async=is_async and request.method.upper() != "GET",
            )
            return call, route
    raise _NoRouteError
