"""A plan says what would be done, changes nothing, and takes what does not answer for what it is: not known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from actors.clouds.port import Unknown
from actors.config.load import load, parse
from actors.config.schema import Config
from actors.console.plan import Planned, look, plan
from actors.fleet.observations import (
    Failed,
    Instance,
    JobClass,
    JobsSeen,
    Listed,
    Machine,
    QueueSeen,
    ScheddSeen,
    Slot,
    StartdsSeen,
)
from actors.fleet.shape import Shape
from actors.pools.port import PoolAway

NOW = 10_000.0
ROOT = Path(__file__).parents[3]
WHOLE = Shape(cpus=8, memory_mib=15_000, disk_mib=50_000)


class Pool:
    """A pool with jobs of queue atlas, and startds by instance id: busy or not."""

    def __init__(self, idle: int, joined: dict[str, bool], *, away: bool = False, whole: Shape | None = None) -> None:
        self._idle, self._joined, self._away, self._whole = idle, joined, away, whole

    def jobs(self, now: float) -> JobsSeen:
        if self._away:
            raise PoolAway("no answer in 20 s")
        request = Shape(cpus=1, memory_mib=1_000)
        classes = (JobClass(queue="atlas", request=request, idle=self._idle), JobClass(queue="users", request=request))
        return JobsSeen(source="local", at=now, classes=classes, schedds=(ScheddSeen(name="a"),))

    def startds(self, now: float) -> StartdsSeen:
        if self._away:
            raise PoolAway("no answer in 20 s")
        machines = (
            Machine(
                name=one,
                address="<a>",
                instance_id=one,
                whole=self._whole,
                slots=(
                    Slot(name="s", state="Unclaimed", activity="Idle", partitionable=True, children=busy, free=WHOLE),
                ),
            )
            for one, busy in self._joined.items()
        )
        return StartdsSeen(source="local", at=now, machines=tuple(machines))


class Cloud:
    def __init__(self, *instances: str, away: bool = False) -> None:
        self._instances, self._away = instances, away

    def listing(self, now: float) -> Listed:
        if self._away:
            raise Unknown("timed out")
        listed = [Instance(id=one, state="running", queue="atlas", launched_at=NOW - 60) for one in self._instances]
        return Listed(
            source="cloud", at=now, instances=(*listed, Instance(id="dead", state="terminated", queue="atlas"))
        )


def made(pool: Pool, **clouds: Cloud) -> tuple[Config, Planned]:
    config = load(ROOT / "configs" / "cascade.toml")
    everything = {name: clouds.get(name.replace("-", "_"), Cloud()) for name in config.clouds}
    atlas, _ = plan(config, look({"local": pool}, everything, NOW), NOW)
    return config, atlas


def numbers(planned: Planned) -> dict[str, int]:
    return {cloud: want.n for cloud, want in planned.decision.wants.items()}


def test_waiting_jobs_would_start_vms_on_the_cheapest_tier_with_room() -> None:
    _, planned = made(Pool(400, {}))
    assert planned.have == {"private": 0, "academic": 0, "spot": 0, "on-demand": 0}
    assert numbers(planned) == {"private": 40, "academic": 20, "spot": 0, "on-demand": 0}
    assert planned.changes


def test_idle_vms_would_be_released_busy_and_booting_ones_with_work_stay() -> None:
    _, planned = made(Pool(0, {"i-1": False, "i-2": True}), private=Cloud("i-1", "i-2", "i-3"))
    assert planned.have["private"] == 3
    assert numbers(planned)["private"] == 1


def test_a_cloud_whose_code_is_wrong_is_named_with_what_it_raised_and_the_others_are_planned() -> None:
    class Wrong(Cloud):
        def listing(self, now: float) -> Listed:
            raise KeyError("instances")

    config = load(ROOT / "configs" / "cascade.toml")
    seen = look({"local": Pool(8, {})}, {name: Cloud() for name in config.clouds} | {"private": Wrong()}, NOW)
    failed = seen.listings["private"]
    assert isinstance(failed, Failed)
    assert failed.reason == "its code raised KeyError: 'instances'"
    atlas, _ = plan(config, seen, NOW)
    assert atlas.have["private"] is None
    assert numbers(atlas)["academic"] > 0


def test_a_cloud_that_does_not_answer_stays_as_it_is_and_the_others_are_planned() -> None:
    _, planned = made(Pool(8, {}), private=Cloud(away=True))
    assert planned.have["private"] is None
    assert numbers(planned) == {"academic": 2, "spot": 0, "on-demand": 0}
    assert "private: what it has is not known; its want stays as it was" in planned.decision.why


def test_a_pool_that_does_not_answer_leaves_everything_as_it_is() -> None:
    _, planned = made(Pool(8, {}, away=True), private=Cloud("i-1"))
    assert not planned.changes
    assert "no answer in 20 s" in planned.decision.why[0]


def together(private: dict[str, int], **queues: dict[str, object]) -> dict[str, dict[str, int]]:
    """What two queues with 400 jobs each would have, on `private` and `spot`, when they have `private` VMs now."""
    raw = load(ROOT / "configs" / "cascade.toml").model_dump()
    raw["queues"] = {
        name: raw["queues"]["atlas"]
        | {"cascade": (("private",), ("spot",)), "tier_limits": (), "max_vms": None, "share": 1.0}
        | changes
        for name, changes in queues.items()
    }
    config = Config.model_validate(raw)
    request = Shape(cpus=8, memory_mib=1_000)
    jobs = tuple(JobClass(queue=name, request=request, idle=60, running=private.get(name, 0)) for name in queues)
    pool = Pool(0, {f"{name}-{i}": True for name, n in private.items() for i in range(n)})
    seen = look({"local": pool}, {name: Cloud() for name in config.clouds}, NOW)
    listed = tuple(
        Instance(id=f"{name}-{i}", state="running", queue=name, launched_at=NOW - 60)
        for name, n in private.items()
        for i in range(n)
    )
    seen = replace(
        seen,
        jobs={"local": JobsSeen(source="local", at=NOW, classes=jobs, schedds=(ScheddSeen(name="a"),))},
        listings={**seen.listings, "private": Listed(source="private", at=NOW, instances=listed)},
    )
    return {name: numbers(one) for name, one in zip(queues, plan(config, seen, NOW), strict=True)}


def test_queues_that_want_more_of_a_cloud_than_there_is_are_planned_together() -> None:
    assert together({}, a={"share": 3.0}, b={}) == {"a": {"private": 30, "spot": 30}, "b": {"private": 10, "spot": 50}}
    assert together({}, a={}, b={"priority": 1}) == {"a": {"private": 0, "spot": 60}, "b": {"private": 40, "spot": 20}}


def test_a_lower_priority_would_give_back_what_the_higher_one_wants() -> None:
    planned = together({"a": 40}, a={}, b={"priority": 1})
    assert planned["a"]["private"] == 0
    assert planned["b"] == {"private": 0, "spot": 60}, "there is no room until they have ended"


def of_shapes(pool: Pool, *, small: Cloud, large: Cloud) -> tuple[Planned, ...]:
    """Both queues on a cloud of two shapes, which may have four VMs together."""

    shapes = "\n".join(
        f'[clouds.spot.shapes.{name}]\ninstance_type = "{name}"\nshape = {{ cpus = {cpus}, memory_mib = 60_000 }}\n'
        for name, cpus in (("small", 2), ("large", 8))
    )
    cloud = '[clouds.spot]\nregion = "r"\nimage = "i"\nmax_vms = 4\n'
    queue = '[queues.%s]\npool = "local"\njobs = "true"\ncascade = [["spot"]]\n'
    head = '[factory]\nname = "lab"\n[pools.local]\ncollector = "c"\n'

    config = parse("\n".join([head, cloud, shapes, queue % "atlas", queue % "users"]))
    return plan(config, look({"local": pool}, {"spot-small": small, "spot-large": large}, NOW), NOW)


def test_a_cloud_of_several_shapes_is_planned_within_the_limit_of_all() -> None:
    atlas, users = of_shapes(Pool(18, {}), small=Cloud(), large=Cloud("i-1"))
    assert numbers(atlas) == {"spot-small": 1, "spot-large": 2}  # one of them boots already
    atlas, users = of_shapes(Pool(100, {}), small=Cloud("i-2"), large=Cloud("i-1"))
    assert numbers(atlas) == {"spot-small": 1, "spot-large": 3}
    assert numbers(users) == {"spot-small": 0, "spot-large": 0}


def test_while_one_shape_is_not_known_no_other_is_bought() -> None:
    atlas, _ = of_shapes(Pool(18, {}), small=Cloud(away=True), large=Cloud("i-1"))
    assert numbers(atlas)["spot-large"] == 1
    assert any("cloud/spot-small" in why for why in atlas.decision.why)


def test_vms_to_come_count_as_what_those_that_joined_really_have() -> None:
    busy, real = {"i-1": True}, Shape(cpus=1, memory_mib=15_000, disk_mib=50_000)
    _, promised = made(Pool(20, busy), private=Cloud("i-1"))
    _, planned = made(Pool(20, busy, whole=real), private=Cloud("i-1"))
    assert (numbers(promised)["private"], numbers(planned)["private"]) == (3, 13)
    assert "workers of private that joined have 1 cpu where its shape says 8" in " ".join(planned.decision.why)


class Source:
    """A workload system without startds: asking it for some is an error."""

    def __init__(self, idle: int, status: str = "online", unread: str = "") -> None:
        self._idle, self._said = idle, QueueSeen(queue="panda-cern", status=status, unread=unread)

    def jobs(self, now: float) -> JobsSeen:
        request = Shape(cpus=8, memory_mib=16_000)
        classes = (JobClass(queue="panda-cern", request=request, idle=self._idle),)
        schedds = (ScheddSeen(name="panda"),)
        return JobsSeen(source="panda", at=now, classes=classes, schedds=schedds, queues=(self._said,))


class Local(Pool):
    """The pool of the pilots, each of which is a job of the second queue."""

    def jobs(self, now: float) -> JobsSeen:
        request = Shape(cpus=8, memory_mib=16_000)
        classes = (JobClass(queue="vms", request=request, idle=self._idle),)
        return JobsSeen(source="local", at=now, classes=classes, schedds=(ScheddSeen(name="a"),))


def two_queues(source: Source, pilots: int) -> tuple[Planned, Planned]:
    """The plans of the first queue and of the second, while so many pilots wait."""
    config = load(ROOT / "configs" / "two-queues.toml")
    clouds = {name: Cloud() for name in config.clouds}
    first, second = plan(config, look({"panda": source, "local": Local(pilots, {})}, clouds, NOW), NOW)
    return first, second


def test_a_source_without_startds_is_planned_by_its_jobs_alone() -> None:
    first, second = two_queues(Source(12), pilots=12)
    assert numbers(first) == {"pilots": 12}
    assert numbers(second) == {"private": 3, "spot": 0}
    assert "its site is online" in first.decision.why


def test_the_plan_heeds_the_status_of_the_site() -> None:
    first, _ = two_queues(Source(12, status="test"), pilots=0)
    assert numbers(first) == {"pilots": 1}


def test_a_queue_that_could_not_be_read_is_not_known_and_the_other_is() -> None:
    first, second = two_queues(Source(12, unread="CERN: activated is -4"), pilots=4)
    assert not first.decision.demand.known
    assert any("activated is -4" in line for line in first.decision.why)
    assert numbers(second) == {"private": 1, "spot": 0}
