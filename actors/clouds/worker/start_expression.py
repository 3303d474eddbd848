"""The START expression of a queue's workers. Pure text work, no ClassAd library.

A queue says which jobs are its own by an expression over job ads: `MATCH_APF_QUEUE == "atlas"`. In a startd the same
text means something else, since a name without a scope is looked up in the *slot's* ad first, and only then in the
job's. A slot has a State, a Name, an Owner, a Rank and much more, so `JobUniverse == 5 && Rank > 0` would quietly ask
the slot. Therefore each such name gets the scope TARGET, and `MY.` (the job, to who wrote it) becomes `TARGET.` too.

The rule that START keeps, beside taking its queue's jobs: a job that asks for a shorter retirement than the worker
gives is refused, because a graceful drain would evict it (measured: `nice_user` jobs ask for 0). Nor is any job taken
by a slot whose own retirement time is 0 while the worker's is not: a drain that was taken back as its last job ended
leaves it so (measured, 6 of 6), and its next job could not be drained. The factory drains it again while it is idle.
"""

from __future__ import annotations

import re

from actors.policies.worker_ad import CVMFS

_TOKEN = re.compile(
    r"""(?P<space>(?:\s+|//[^\n]*|/\*.*?\*/)+)
      | (?P<string>"(?:\\.|[^"\\])*")
      | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?[A-Za-z]*|\.\d+(?:[eE][+-]?\d+)?)
      | (?P<name>[A-Za-z_]\w*|'(?:\\.|[^'\\])*')
      | (?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)
_WORDS = frozenset({"true", "false", "undefined", "error", "is", "isnt", "target", "parent"})
_CALL = re.compile(r"\s*\(")


def about_the_job(expression: str) -> str:
    """The same question, asked by a slot about a job: every name in it has a scope. On one line, without comments."""
    parts: list[str] = []
    before = ""  # the last token that was no space
    for token in _TOKEN.finditer(expression):
        text = " " if token["space"] else token[0]
        if token["name"] and before != "." and not _CALL.match(expression, token.end()):
            text = _scoped(text, expression[token.end() :])
        parts.append(text)
        before = before if token["space"] else text
    return "".join(parts).strip()


def start(jobs: str, further: str = "true", cvmfs: bool = False) -> str:
    """START: the queue's jobs, a further condition in the slot's own scope, and no short retirement on either side.

    `cvmfs`: only while the worker says that its repositories answer.
    """
    peaceful = "(TARGET.MaxJobRetirementTime =?= undefined || TARGET.MaxJobRetirementTime >= $(MAXJOBRETIREMENTTIME))"
    unspoiled = "(MY.MaxJobRetirementTime =!= 0 || $(MAXJOBRETIREMENTTIME) =?= 0)"
    proven = f" && MY.{CVMFS} =?= true" if cvmfs else ""
    own = f"({_literal(about_the_job(jobs))}) && ({_literal(_one_line(further))})"
    return f"{own} && {peaceful} && {unspoiled}{proven}"


def _scoped(name: str, rest: str) -> str:
    if name.lower() == "my" and rest.lstrip().startswith("."):
        return "TARGET"
    return name if name.lower() in _WORDS else f"TARGET.{name}"


def _one_line(expression: str) -> str:
    return "".join(" " if token["space"] else token[0] for token in _TOKEN.finditer(expression)).strip()


def _literal(expression: str) -> str:
    """In HTCondor's configuration a dollar sign may begin a macro; `$(DOLLAR)` is one that stands for itself."""
    return expression.replace("$", "$(DOLLAR)")
