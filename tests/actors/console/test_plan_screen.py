"""`apf plan`: what it says, as a table, in sentences and for programs; and what it says of what does not answer."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

from rich.console import Console

from actors.config.load import load
from actors.config.schema import Config
from actors.console.plan import look, plan
from actors.console.plan_screen import PlanShown, report, screen
from tests.actors.console.factory_file import FactoryFile, said
from tests.actors.console.test_plan import NOW, Cloud, Pool

CASCADE = Path(__file__).parents[3] / "configs" / "cascade.toml"


def planned(pool: Pool, **clouds: Cloud) -> PlanShown:
    config: Config = load(CASCADE)
    everything = {name: clouds.get(name.replace("-", "_"), Cloud()) for name in config.clouds}
    seen = look({"local": pool}, everything, NOW)
    return report(config, seen, plan(config, seen, NOW))


def text(made: PlanShown) -> str:
    shown = StringIO()
    Console(file=shown, width=160).print(screen(made))
    return shown.getvalue()


def moves(made: PlanShown) -> dict[str, tuple[int, int]]:
    return {cloud.cloud: (cloud.start, cloud.release) for cloud in made.queues[0].clouds}


def test_what_would_be_started_stands_with_its_price_and_its_reason() -> None:
    made = planned(Pool(400, {}), private=Cloud(*(f"i-{n}" for n in range(40))), academic=Cloud(away=True))
    assert moves(made)["spot"][0] > 0
    assert made.usd_per_hour_more > 0
    shown = text(made)
    assert f"would start {moves(made)['spot'][0]} and release 0 VMs: $" in shown
    assert "400 waiting and 0 running jobs" in shown


def test_what_would_be_released_is_the_dearest_and_saves_money() -> None:
    made = planned(Pool(0, {"i-1": True, "i-9": False}), private=Cloud("i-1"), spot=Cloud("i-9"))
    assert moves(made) == {"private": (0, 0), "academic": (0, 0), "spot": (0, 1), "on-demand": (0, 0)}
    assert made.usd_per_hour_more < 0
    assert "an hour less" in text(made)


def test_a_source_that_does_not_answer_is_named_and_what_rests_on_it_stays() -> None:
    made = planned(Pool(8, {}), private=Cloud(away=True))
    assert [(one.source, one.why) for one in made.not_read] == [("cloud/private listing", "timed out")]
    assert (made.queues[0].clouds[0].have, made.queues[0].clouds[0].would_be) == (None, None)
    assert "stays as it is" in text(made)
    away = planned(Pool(8, {}, away=True))
    assert [one.source for one in away.not_read] == ["pool/local jobs", "pool/local startds"]
    assert "would start and release nothing" in text(away)


def test_brackets_in_a_reason_are_shown_as_they_are() -> None:
    made = planned(Pool(8, {}))
    (first, *_) = made.queues
    odd = first.model_copy(update={"cannot_run": ("1 job waits with Requirements [/x] [bold]y",)})
    assert "[/x] [bold]y" in text(made.model_copy(update={"queues": (odd,)}))


def test_a_world_that_is_away_exits_with_1_and_programs_get_json(file: FactoryFile) -> None:
    result = file.apf("plan", "--json")
    assert result.exit_code == 1
    made = PlanShown.model_validate(json.loads(result.stdout))
    assert {one.source for one in made.not_read} >= {"pool/local jobs", "cloud/private listing"}
    assert "not read" in said(file.apf("plan"))
