"""The application: REST, pages, and what happens when something fails. `make_app` needs no network of its own."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as AnyHttpError

from actors.config.secrets import NoSecret
from actors.store.site import NotRunning
from actors.web import api, pages
from actors.web.access import Denied
from actors.web.desk import Desk
from actors.web.guards import Guards
from broker.errors import BrokerError


def make_app(desk: Desk) -> FastAPI:
    app = FastAPI(
        title="AutoPyFactory Cloud", version="1", docs_url=None, redoc_url=None, openapi_url="/api/v1/docs.json"
    )
    app.state.desk = desk
    app.add_middleware(Guards)
    app.include_router(api.router)
    app.include_router(pages.router, include_in_schema=False)
    static = str(files("actors.web") / "static")
    app.mount("/static", StaticFiles(directory=static), name="static")
    app.add_exception_handler(Denied, _refused)
    app.add_exception_handler(AnyHttpError, _failed)
    for away in (NotRunning, BrokerError, NoSecret):
        app.add_exception_handler(away, _away)
    return app


async def _refused(request: Request, refused: Any) -> Response:
    return _told(request, refused.status, str(refused))


async def _failed(request: Request, failed: Any) -> Response:
    return _told(request, failed.status_code, str(failed.detail))


async def _away(request: Request, away: Exception) -> Response:
    return _told(request, 503, f"the factory's Redis cannot be read: {away}")


def _told(request: Request, status: int, why: str) -> Response:
    """An error in the words of who asks: JSON for programs, a page for people."""
    if request.url.path.startswith("/api/"):
        return JSONResponse({"detail": why}, status)
    return pages.error(request, status, why)
