"""The root: what is where, for somebody who only has the address."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify

blueprint = Blueprint("index", __name__)


@blueprint.get("/")
def show_index() -> Response:
    paths = sorted({rule.rule for rule in current_app.url_map.iter_rules() if "static" not in rule.endpoint})
    return jsonify({"service": "refundry", "paths": [path for path in paths if path != "/"]})
