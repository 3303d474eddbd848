"""`apf check --live`: every place that the configuration names is asked, at once, and changes nothing there.

Each finding is one line: what was looked at, whether it is as it must be, and what was seen or what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, runtime_checkable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from actors.clouds.port import CloudError
from actors.config.findings import Finding
from actors.config.load import lines_in
from actors.config.mistakes import place_of
from actors.config.ready import doubts
from actors.config.schema import Config
from actors.config.secrets import NoSecret
from actors.config.toml_lines import line_of
from actors.console.checking_host import of_this_host
from actors.pools.port import PoolError
from actors.runtime import adapters
from actors.store.site import NotRunning, site_of
from broker.connection.clock import RedisClock
from broker.errors import BadUrl, Unreachable

AT_ONCE = 8
MARKS = {True: Text("ok", style="green"), False: Text("WRONG", style="bold red"), None: Text("?", style="yellow")}


@runtime_checkable
class CanBeChecked(Protocol):
    """A pool or cloud that can be asked. Those that cannot are said to be so."""

    def check(self) -> Sequence[Finding]: ...

    def close(self) -> None: ...


def check_live(config: Config) -> tuple[tuple[str, Finding], ...]:
    """(where, finding) in the configuration's order. Takes as long as the slowest place's time limits."""
    asked: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("this host", lambda: of_this_host(config)),
        ("redis", lambda: [_redis(config)]),
        *((f"pool {name}", lambda name=name: _ask(lambda: adapters.pool(config, name))) for name in config.pools),
        *((f"cloud {name}", lambda name=name: _ask(lambda: adapters.cloud(config, name))) for name in config.clouds),
    ]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="check") as crew:
        answers = [(where, crew.submit(lambda look: tuple(look()), look)) for where, look in asked]
        return tuple((where, finding) for where, answer in answers for finding in answer.result())


def tell(config: Config, file: Path, out: Console) -> bool:
    """What of a file is right and yet starts nothing, or is less safe than may be, by line. Whether VMs can start."""
    lines, found = lines_in(file), doubts(config)
    for doubt in sorted(found, key=lambda one: line_of(lines, one.path)):
        place = f"  line {line_of(lines, doubt.path)}: {place_of(doubt.path)}: {doubt.said}"
        hint = f" ({doubt.hint})" if doubt.hint else ""
        out.print(Text.assemble(MARKS[False if doubt.never else None], place, hint), soft_wrap=True)
    never = any(doubt.never for doubt in found)
    out.print(f"{file}: {'no VM can start as it is' if never else 'no mistakes'}; {_size(config)}")
    return not never


def _size(config: Config) -> str:
    counts = (("pool", config.pools), ("cloud", config.clouds), ("queue", config.queues))
    return ", ".join(f"{len(of)} {what}{'' if len(of) == 1 else 's'}" for what, of in counts)


def screen(found: Iterable[tuple[str, Finding]]) -> Table:
    """One line for each finding."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "where", "what", "seen"):
        table.add_column(column, overflow="fold")
    for where, finding in found:
        table.add_row(MARKS[finding.ok], where, finding.what, Text(finding.text))
    return table


def _redis(config: Config) -> Finding:
    what = "embedded" if config.factory.redis == "embedded" else "answers"
    try:
        client = site_of(config).client()
        RedisClock(client).sync()
        client.close()
    except NotRunning:
        return Finding(what=what, ok=None, text="not up now; `apf run` starts and stops it")
    except (Unreachable, BadUrl, NoSecret) as wrong:
        return Finding(what=what, ok=False, text=str(wrong))
    return Finding(what=what, ok=True, text="answers")


def _ask(make: Callable[[], object]) -> Iterable[Finding]:
    try:
        place = make()
    except (NoSecret, PoolError, CloudError) as wrong:
        return [Finding(what="set up", ok=False, text=str(wrong))]
    except Exception as mistake:  # noqa: BLE001  the edge to other packages' kinds: the others are still asked
        return [Finding(what="set up", ok=False, text=_raised(mistake))]
    if not isinstance(place, CanBeChecked):
        return [Finding(what="check", ok=None, text="this kind has no live check")]
    try:
        return place.check()
    except (NoSecret, PoolError, CloudError) as wrong:
        return [Finding(what="check", ok=False, text=str(wrong))]
    except Exception as mistake:  # noqa: BLE001  as above
        return [Finding(what="check", ok=False, text=_raised(mistake))]
    finally:
        place.close()


def _raised(mistake: Exception) -> str:
    return f"its code raised {type(mistake).__name__}: {mistake}"
