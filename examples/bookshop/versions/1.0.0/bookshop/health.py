"""How this instance is: /livez for whoever runs it, /healthz for the front that sends requests here."""

import flask

from bookshop.shop import shop

blueprint = flask.Blueprint("health", __name__)


@blueprint.get("/livez")
def livez() -> flask.Response:
    """200 as soon as this process can answer, drained or not."""
    return flask.jsonify(status="ok", version=shop().settings.version)


@blueprint.get("/healthz")
def healthz() -> tuple[flask.Response, int]:
    """200, or 503 while the drain file is there: requests in flight are finished and late ones answered, but send no more."""
    settings = shop().settings
    draining = settings.drain_file is not None and settings.drain_file.exists()
    return flask.jsonify(status="draining" if draining else "ok", version=settings.version), 503 if draining else 200
