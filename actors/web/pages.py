"""The pages: what a person at 3 a.m. looks at. Made here, whole, without scripts; with htmx they stay live.

Every value is escaped by Jinja, and its control characters are shown, not sent: workers and jobs wrote some of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from math import ceil
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from rich.console import Console, RenderableType

from actors.config.outside_text import visible
from actors.console import owners, send_wish, why_queue, why_vm, wishes
from actors.console.ago import ago, clock
from actors.console.opened import store
from actors.console.status_model import VmStatus
from actors.runtime.messages import OperatorWish
from actors.web.access import COOKIE, Denied, Visitor, caller, may
from actors.web.desk import Desk, asked_by, reader, wisher
from actors.web.tokens import Right

A_PAGE = 100  # VMs
WAIT_S = 5.0
SORTS: Mapping[str, Callable[[VmStatus], Any]] = {
    "id": lambda vm: vm.id,
    "state": lambda vm: (vm.state, -vm.state_age_s),
    "cloud": lambda vm: (vm.cloud, vm.id),
    "queue": lambda vm: (vm.queue, vm.id),
    "age": lambda vm: -vm.age_s,
    "price": lambda vm: -vm.usd_per_hour,
}
router = APIRouter()
Reader = Annotated[Visitor, Depends(reader)]
Wisher = Annotated[Visitor, Depends(wisher)]


def _shown(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_pages = Environment(
    loader=FileSystemLoader(str(files("actors.web") / "templates")), autoescape=True, finalize=_shown, trim_blocks=True
)
_pages.filters |= {"ago": ago, "clock": clock, "url": lambda told: urlencode(told)}


@router.get("/")
def overview(request: Request, who: Reader) -> Response:
    return _page(request, who, "overview.html")


@router.get("/queues/{name}")
def queue(name: str, request: Request, who: Reader) -> Response:
    desk = Desk.of(request)
    one = desk.queue(name)
    with store(desk.config) as rows:
        served = desk.config if name in desk.config.queues else None
        story = _text(why_queue.queue_story(served, rows.table, name, rows.now)) if served else ""
    return _page(request, who, "queue.html", queue=one, story=story)


@router.get("/clouds/{name}")
def cloud(name: str, request: Request, who: Reader) -> Response:
    return _page(request, who, "cloud.html", cloud=Desk.of(request).cloud(name))


@router.get("/vms")
def vms(
    request: Request,
    who: Reader,
    cloud: str = "",
    queue: str = "",
    state: str = "",
    text: str = "",
    sort: str = "id",
    page: int = 1,
) -> Response:
    """One page of those that fit: 10,000 VMs are sorted here, not in the browser."""
    if sort not in SORTS:
        raise HTTPException(422, f"VMs are not sorted by {sort!r}, but by one of {', '.join(SORTS)}")
    asked = {"cloud": cloud, "queue": queue, "state": state, "text": text, "sort": sort}
    found = sorted(Desk.of(request).vms(cloud=cloud, queue=queue, state=state, text=text), key=SORTS[sort])
    pages = max(1, ceil(len(found) / A_PAGE))
    page = min(max(1, page), pages)
    shown = found[(page - 1) * A_PAGE : page * A_PAGE]
    return _page(
        request, who, "vms.html", vms=shown, found=len(found), asked=asked, page=page, pages=pages, sorts=SORTS
    )


@router.get("/vms/{name}")
def vm(name: str, request: Request, who: Reader) -> Response:
    desk = Desk.of(request)
    try:
        with store(desk.config) as rows:
            story = why_vm.read(desk.config, rows, name)
            now = rows.now
    except why_vm.NotKnown as unknown:
        raise HTTPException(404, str(unknown)) from unknown
    return _page(request, who, "vm.html", story=story, now=now)


@router.get("/hosts")
def hosts(request: Request, who: Reader) -> Response:
    return _page(request, who, "hosts.html", owners=owners.read(Desk.of(request).config))


@router.get("/wishes")
def wished(request: Request, who: Reader, of: str = "") -> Response:
    return _page(request, who, "wishes.html", wishes=wishes.read(Desk.of(request).config), of=of)


@router.post("/wishes")
async def wish(request: Request, who: Wisher) -> Response:
    """WebAsked once: what it would do is shown, with a button. WebAsked with `sure`: it is sent."""
    form = await _form(request)
    return await _in_thread(lambda: _wish(request, who, form))


def _wish(request: Request, who: Visitor, form: Mapping[str, str]) -> Response:
    desk = Desk.of(request)
    wanted = _wanted(form, who)
    if wanted.verb == "kill" and form.get("typed", "") != (wanted.name or desk.config.factory.name):
        sure = False
    else:
        sure = form.get("sure", "") == "yes"
    if not sure:
        told = send_wish.before(desk.config, wanted)
        return _page(request, who, "sure.html", wanted=wanted, told=told, typed=wanted.verb == "kill")
    outcome = send_wish.ask(desk.config, wanted, WAIT_S)
    verdict = outcome.verdict if outcome else "pending"
    return RedirectResponse(f"/wishes?{urlencode({'of': f'{wanted.id} {verdict}'})}", 303)


def _wanted(form: Mapping[str, str], who: Visitor) -> OperatorWish:
    """Raises HTTPException 422."""
    verb, selector, name, reason = (form.get(key, "") for key in ("verb", "selector", "name", "reason"))
    more: dict[str, object] = {"id": form["id"]} if form.get("id") else {}
    if verb in ("drain", "kill"):
        more["replace"] = form.get("replace", "yes") == "yes"
    try:
        life_s = float(form.get("life_h") or 24) * 3600
        return send_wish.wish(verb, selector, name, reason, life_s, by=who.name, **more)
    except ValueError as bad:
        raise HTTPException(422, f"this cannot be wished: {bad}") from bad


@router.get("/login")
def login() -> Response:
    return HTMLResponse(_pages.get_template("login.html").render(why=""))


@router.post("/login")
async def logged_in(request: Request) -> Response:
    """The token becomes a cookie that scripts cannot read and other sites cannot use."""
    rules, asked = Desk.of(request).rules, asked_by(request)
    secret = (await _form(request)).get("token", "")
    try:
        who = caller(
            rules, type(asked)(client=asked.client, headers={**asked.headers, "authorization": f"Bearer {secret}"})
        )
        may(rules, who, Right.READ, asked)
    except Denied as refused:
        return HTMLResponse(_pages.get_template("login.html").render(why=str(refused)), refused.status)
    answer = RedirectResponse("/", 303)
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, secret, max_age=43_200, httponly=True, samesite="strict", secure=secure)
    return answer


@router.post("/logout")
def logged_out() -> Response:
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer


def error(request: Request, status: int, why: str) -> Response:
    if status == 401 and request.method == "GET":
        return HTMLResponse(_pages.get_template("login.html").render(why=why), status)
    return HTMLResponse(_pages.get_template("error.html").render(status=status, why=why), status)


def _page(request: Request, who: Visitor, template: str, **told: Any) -> Response:
    desk = Desk.of(request)
    seen = desk.snapshots.now()
    told |= {"seen": seen, "status": desk.status(), "who": who, "wishes_may": Right.WISH in who.scopes}
    return HTMLResponse(_pages.get_template(template).render(config=desk.config, path=request.url.path, **told))


def _text(story: RenderableType) -> str:
    """As on a wide terminal without colours."""
    console = Console(width=160, color_system=None, force_terminal=False)
    with console.capture() as told:
        console.print(story)
    return told.get()


async def _form(request: Request) -> dict[str, str]:
    """The last value of each field. No uploads are taken, so nothing more is needed than this."""
    said = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=50)
    return {key: values[-1] for key, values in said.items()}


async def _in_thread(work: Callable[[], Response]) -> Response:
    from fastapi.concurrency import run_in_threadpool

    return await run_in_threadpool(work)
