"""The hosts' picture: who holds which posts, who was killed or frozen, how soon others served what it held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from actors.console.status_model import PostStatus
from deploy.lab.demo.ha_hosts import Life

LINES = 7  # of the panel
_STATES = {
    "runs": ("green", "runs"),
    "killed": ("bold red", "KILLED (kill -9)"),
    "frozen": ("bold yellow", "FROZEN (SIGSTOP)"),
    "back": ("green", "runs again"),
}


def hosts(lives: Mapping[str, Life], posts: Sequence[PostStatus]) -> RenderableType:
    """One line a host. A post moves when another host's name stands before it."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for width in (8, 17, 0):
        table.add_column(min_width=width)
    for name, life in lives.items():
        colour, word = _STATES[life.state]
        held = "  ".join(sorted(post.post for post in posts if holder(post) == name))
        table.add_row(Text(name, style="bold"), Text(word, style=colour), Text(held or "holds nothing"))
    told = [Text(moved(name, life), style="dim") for name, life in lives.items() if life.lost]
    return Panel(Group(table, *told), title="[bold]hosts and their posts[/]", title_align="left", padding=(0, 2))


def moved(name: str, life: Life) -> str:
    """The sentence about what a host lost."""
    if len(life.served_s) < len(life.lost):
        return f"{name} held {', '.join(life.lost)}: its leases run out, then others take them"
    worst = max(life.served_s.values())
    return f"{name} held {', '.join(life.lost)}: served by others {worst:.1f} s later"


def holder(post: PostStatus) -> str:
    """The name of the host that holds the post, empty when nobody does."""
    return post.holder.partition("#")[0]
