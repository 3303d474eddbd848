"""Kind "script": real processes, and whatever they may print, say, or not do."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from actors.clouds.port import Cloud, CloudError, NoCapacity, Quota, Refused, Spent, Throttled, TokenUsed, Unknown
from actors.clouds.script import answers, process
from actors.clouds.script.cloud import Script
from actors.config.script import ScriptCloud
from tests.actors.clouds.conformance import CloudConformance, PowerOff, order, started
from tests.late import within

PLACE = Path(__file__).parents[1] / "script_place.py"
MakeScript = Callable[..., Script]


def script(name: str, factory: str = "lab", **settings: object) -> Script:
    shape = {"cpus": 1, "memory_mib": 1_024}
    known = {"kind": "script", "shape": shape, "max_vms": 9, "timeout_s": 20}
    return Script(name, ScriptCloud.model_validate({**known, **settings}), factory)


def shell(text: str, **settings: object) -> Script:
    """Every verb is this text of a shell."""
    return script("rack", command=["sh", "-c", text], **settings)


class TestScript(CloudConformance):
    @pytest.fixture
    def place(self, tmp_path: Path) -> list[str]:
        return [sys.executable, str(PLACE), str(tmp_path / "vms.json")]

    @pytest.fixture
    def cloud(self, place: list[str], factory: str) -> Cloud:
        return script("rack", factory, command=place)

    @pytest.fixture
    def other(self, place: list[str], factory: str) -> Cloud:
        return script("shelf", factory, command=place)

    @pytest.fixture
    def power_off(self, tmp_path: Path) -> PowerOff:
        def off(id_: str) -> None:
            rows = json.loads((tmp_path / "vms.json").read_text())
            for row in rows:
                if row["instance"]["id"] == id_:
                    row["instance"]["state"] = "terminated"
            (tmp_path / "vms.json").write_text(json.dumps(rows))

        return off


class TestScriptWithACommandForEach(TestScript):
    @pytest.fixture
    def cloud(self, place: list[str], factory: str) -> Cloud:
        return script("rack", factory, **{verb: [*place, verb] for verb in ("start", "list", "end", "find")})


@pytest.mark.parametrize(
    ("code", "kind"),
    [(10, NoCapacity), (11, Quota), (12, Throttled), (13, Refused), (14, TokenUsed), (15, Spent), (1, Unknown)],
)
def test_an_exit_code_is_a_remedy_and_standard_error_says_why(code: int, kind: type[CloudError]) -> None:
    with pytest.raises(CloudError, match="the rack is dark") as told:
        started(shell(f"echo the rack is dark >&2; exit {code}"), order())
    assert (type(told.value), told.value.code) == (kind, str(code))


@pytest.mark.parametrize(
    "text", ["exit 77", "kill -9 $$", "echo hello", "echo '{}'", "true", "echo '[1]'", "echo '[]'"]
)
def test_any_other_answer_leaves_a_launch_unknown(text: str) -> None:
    with pytest.raises(Unknown):
        started(shell(text), order())


def test_what_cannot_be_run_has_started_nothing() -> None:
    for command in (["/nowhere/at/all"], [str(PLACE)], ["a\0b"]):
        with pytest.raises(Refused, match="nothing was started"):
            started(script("rack", command=command), order())


def test_one_that_takes_too_long_is_killed_with_what_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(Unknown, match="no answer within 1 s"):
        started(shell(f"sleep 600 & echo $! $$ >{pids}; wait", timeout_s=1), order())
    for pid in map(int, pids.read_text().split()):
        within(5, f"{pid} is gone", lambda pid=pid: not _runs(pid))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_daemon_that_it_leaves_behind_holds_up_nobody_and_lives_on(tmp_path: Path) -> None:
    row = json.dumps([{"id": "vm-1", "index": 0}])
    cloud = shell(f"sleep 600 & echo $! >{tmp_path}/pid; echo '{row}'", timeout_s=20)
    assert [one.id for one in started(cloud, order())] == ["vm-1"]
    pid = int((tmp_path / "pid").read_text())
    assert _runs(pid)
    os.kill(pid, signal.SIGKILL)


def test_one_that_prints_without_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MOST", 100_000)
    with pytest.raises(Unknown, match="printed more than"):
        started(shell("yes"), order())


def test_what_it_says_stands_in_the_log_and_only_the_end_of_much() -> None:
    with capture_logs() as logs:
        shell("seq 100000 >&2; echo '[]'").listing(0.0)
    (line,) = logs
    assert (line["cloud"], line["verb"], line["said"].splitlines()[-1]) == ("rack", "list", "100000")
    assert len(line["said"]) <= process.SAID


def test_its_environment_is_the_hosts_and_its_own() -> None:
    text = 'printf \'[{"id": "%s", "index": 0}]\' "$RACK"; test -n "$PATH"'
    assert shell(text, environment={"RACK": "r7"}).listing(0.0).instances[0].id == "r7"


def test_an_end_accepts_what_it_prints_or_all_where_it_prints_nothing() -> None:
    assert shell("true").end(["a", "b"]) == ("a", "b")
    assert shell('echo \'["b", "c"]\'').end(["a", "b"]) == ("b",)
    with pytest.raises(Unknown):
        shell("echo '[1]'").end(["a"])


def test_it_gets_one_object_a_call_and_the_ids_to_end_stand_in_it(tmp_path: Path) -> None:
    cloud = shell(f"cat >{tmp_path}/in; echo '[]'")
    cloud.end(["a", "b"])
    assert json.loads((tmp_path / "in").read_text()) == {"factory": "lab", "cloud": "rack", "ids": ["a", "b"]}
    cloud.listing(0.0)
    assert json.loads((tmp_path / "in").read_text()) == {"factory": "lab", "cloud": "rack"}


def listed(*rows: Any) -> Any:
    return answers.instances(json.dumps(rows).encode(), "list")


def test_a_field_that_is_no_good_value_spoils_itself_only_and_is_named() -> None:
    wrong = {"id": "a", "state": "asleep", "launched_at": "noon", "index": -3, "queue": 7, "reason": "it said so"}
    good, bad = listed({"id": "b", "state": "terminated", "queue": "atlas"}, wrong)
    assert (good.state, good.queue, good.reason) == ("terminated", "atlas", "")
    assert (bad.state, bad.launched_at, bad.index, bad.queue) == ("running", 0.0, -1, "")
    assert bad.reason.startswith("it said so; its queue is 7; its state is 'asleep'")


@pytest.mark.parametrize("rows", [[{}], [{"id": ""}], [{"id": 7}], ["a"], [{"id": "a"}, {"id": "a"}]])
def test_a_list_with_a_row_without_an_id_of_its_own_is_no_whole_one(rows: list[object]) -> None:
    with pytest.raises(Unknown):
        listed(*rows)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "state", "index", "x"]), inner),
    max_leaves=8,
)


@given(JSON | st.binary(max_size=40))
def test_whatever_it_prints_is_a_reading_or_unknown(printed: object) -> None:
    output = printed if isinstance(printed, bytes) else json.dumps(printed).encode()
    try:
        answers.instances(output, "list")
        answers.accepted(output, ("a",))
    except CloudError as error:
        assert isinstance(error, Unknown)  # noqa: PT017


def test_a_live_check_says_which_command_is_not_there_and_whether_the_list_answers() -> None:
    found = {
        one.what: one for one in script("rack", start=["/nowhere"], list=["sh", "-c", "echo []"], end=["sh"]).check()
    }
    assert [found[what].ok for what in ("start", "list", "end")] == [False, True, True]
    assert "/nowhere is no program" in found["start"].text
