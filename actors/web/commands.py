"""`apf web` serves the page and the API; `apf token` says who may use them beyond reading on this machine."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from actors.console.wish_commands import Door, File
from actors.web.serve import CannotServe, ServedAt, serve, shown
from actors.web.tokens import BadTokens, Right, TokenFile

BROKEN, WRONG = 1, 2

Tokens = Annotated[Path | None, typer.Option(help="The file of tokens; default: CONFIG with the ending .tokens.")]


class Deed(StrEnum):
    """What can be done with tokens."""

    ADD = "add"
    LIST = "list"
    REVOKE = "revoke"


def commands(app: typer.Typer, door: Door) -> None:
    _web(app, door)
    _token(app, door)


def _web(app: typer.Typer, door: Door) -> None:
    @app.command()
    def web(
        config: File,
        listen: Annotated[str, typer.Option(help="The address to answer on.")] = "127.0.0.1",
        port: Annotated[int, typer.Option(min=1, max=65_535, help="The port.")] = 9619,
        socket: Annotated[Path | None, typer.Option(help="A unix socket instead of an address.")] = None,
        name: Annotated[list[str] | None, typer.Option(help="A further name under which it is reached.")] = None,
        certificate: Annotated[Path | None, typer.Option(help="For TLS: the certificate's file.")] = None,
        key: Annotated[Path | None, typer.Option(help="For TLS: the key's file.")] = None,
        behind: Annotated[list[str] | None, typer.Option(help="ServedAt a proxy is that says who asks.")] = None,
        user_header: Annotated[str, typer.Option(help="The proxy's header with the user.")] = "X-Forwarded-User",
        tokens: Tokens = None,
    ) -> None:
        """Serve the page and the REST API, from Redis alone, until Ctrl-C."""
        settings = door.load(config)
        where = ServedAt(
            listen=listen,
            port=port,
            socket=socket,
            names=tuple(name or ()),
            certificate=certificate,
            key=key,
            behind=tuple(behind or ()),
            user_header=user_header,
        )
        try:
            serve(settings, where, _file(config, tokens), lambda: door.out.print(f"the page is at {shown(where)}"))
        except CannotServe as wrong:
            door.end(WRONG, str(wrong))


def _token(app: typer.Typer, door: Door) -> None:
    @app.command()
    def token(
        config: File,
        deed: Annotated[Deed, typer.Argument(help="What to do.")] = Deed.LIST,
        name: Annotated[str, typer.Argument(help="Whose token.")] = "",
        scope: Annotated[list[Right] | None, typer.Option(help="What it may; default: read.")] = None,
        tokens: Tokens = None,
    ) -> None:
        """Make, list and revoke tokens of the page and the API. A token is shown once, when it is made."""
        file = TokenFile(_file(config, tokens))
        try:
            match deed:
                case Deed.ADD:
                    door.out.print(file.add(name, scope or [Right.READ]))
                case Deed.REVOKE:
                    file.revoke(name)
                case Deed.LIST:
                    for one in file.tokens():
                        door.out.print(f"{one.name}: {', '.join(sorted(one.scopes))}")
        except BadTokens as wrong:
            door.end(WRONG, str(wrong))


def _file(config: Path, tokens: Path | None) -> Path:
    return tokens or config.with_suffix(".tokens")
