"""The WSGI application. gunicorn calls `create_app()` in each worker."""

import os
from collections.abc import Mapping

import flask
import sqlalchemy as sa

from bookshop import settings as settings_module
from bookshop.cache import open_cache
from bookshop.models import driver_url
from bookshop.parts import BLUEPRINTS
from bookshop.shop import Shop


def create_app(environment: Mapping[str, str] = os.environ) -> flask.Flask:
    """A shop that is configured by `BOOKSHOP_*` variables."""
    settings = settings_module.read(environment)
    app = flask.Flask("bookshop", root_path=str(settings_module.RELEASE), template_folder="templates")
    app.extensions["bookshop"] = Shop(settings, sa.create_engine(driver_url(settings.database_url), pool_pre_ping=True), open_cache(settings.cache_url))
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return app
