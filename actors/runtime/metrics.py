"""What one host measures, as Prometheus metrics. One place, so that every name is documented and tested.

What is said of a queue, a cloud or a source is said by the host that holds its post, and by no other: sum over the
hosts. Ages are in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from actors.fleet.breaker import Position
from actors.fleet.observations import Failed, JobsSeen, Listed, StartdsSeen
from actors.fleet.vm import State, Vm
from actors.fleet.want import CloudView, FleetView, Want

MARKS = ("idle", "busy", "suspect", "held")
ACCOUNT_KINDS = ("vms", "cores", "usd_per_hour")


class Gauges:
    """All metrics of a host, in a registry of their own: several hosts can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._of_vms()
        self._of_clouds()
        self._of_accounts()
        self._of_jobs()
        self._of_drains()
        self._of_this_host()

    def _of_vms(self) -> None:
        self.reading_at = self._gauge("apf_reading_timestamp_seconds", "Redis time of the last good reading", "source")
        self.reading_failed = self._gauge("apf_reading_failed", "1 while the last look at a source failed", "source")
        self.jobs = self._gauge("apf_jobs", "Jobs of a queue by state, as last read", "queue", "state")
        self.wants = self._gauge("apf_want_vms", "VMs of a cloud that a queue wants", "queue", "cloud")
        self.vms = self._gauge(
            "apf_vms", "VMs by state, each counted once: unwanted and leaving ones as such", "cloud", "queue", "state"
        )
        self.marked = self._gauge(
            "apf_vms_marked",
            "VMs that are idle, busy, suspect or held; they are counted in apf_vms too",
            *("cloud", "queue", "mark"),
        )
        self.usd_per_hour = self._gauge(
            "apf_usd_per_hour",
            "What a queue's VMs on a cloud cost now, at the prices they were launched at; ending ones too",
            *("cloud", "queue"),
        )
        self._gauge("apf_build_info", "Always 1; which version this host runs", "version").labels(
            version("autopyfactory-cloud")
        ).set(1)

    def _of_clouds(self) -> None:
        self.room = self._gauge("apf_cloud_room_vms", "VMs that a cloud may still start", "cloud")
        self.closed = self._gauge("apf_cloud_closed", "1 while nothing may be started on a cloud", "cloud")
        self.breaker = self._gauge("apf_cloud_breaker", "A cloud's breaker: 0 closed, 1 half-open, 2 open", "cloud")
        self.shape_short = self._gauge(
            "apf_cloud_shape_short", "1 while workers that joined have less than their cloud's shape says", "cloud"
        )
        self.frozen = self._gauge("apf_cloud_frozen", "1 while nothing is released on a cloud", "cloud")
        self.strangers = self._gauge(
            "apf_strange_launches",
            "Instances with this factory's tags that another one launched: it has our name, and another Redis",
            "cloud",
        )

    def _of_accounts(self) -> None:
        self.account_used = self._gauge(
            "apf_account_used",
            "What an account's clouds have together, with VMs of others (kind: vms, cores, usd_per_hour); each cloud's"
            " holder says it: max by (account, kind)",
            *("account", "cloud", "kind"),
        )
        self.account_limit = self._gauge(
            "apf_account_limit",
            "What an account's clouds may have together, where that is limited",
            "account",
            "cloud",
            "kind",
        )
        self.account_unknown = self._gauge(
            "apf_account_unknown",
            "1 while a cloud of the account did not say what it has: nothing is bought",
            *("account", "cloud"),
        )

    def _of_jobs(self) -> None:
        self.waiting = self._gauge("apf_jobs_without_room", "Jobs that a cloud could run, had it room", "queue")
        self.unmet = self._gauge("apf_jobs_unrunnable", "Jobs that no cloud of their queue can run", "queue")
        self.in_vain = self._gauge(
            "apf_jobs_bought_in_vain", "Jobs whose VMs joined and got none of them: no more are bought there", "queue"
        )
        self.clamps = self._counter("apf_clamps", "Decisions in which limits left jobs without a place", "queue")
        self.refusals = self._counter("apf_refusals", "Events that the lifecycle table did not know", "cloud")
        self.errors = self._counter("apf_cloud_errors", "Cloud calls that failed, by remedy", "cloud", "remedy")

    def _of_drains(self) -> None:
        self.source_frozen = self._gauge(
            "apf_source_frozen", "1 while what rests on a source is frozen for a cloud", "cloud", "source"
        )
        self.drains_overdue = self._gauge(
            "apf_drains_overdue", "VMs whose drain takes longer than its tier allows", "cloud"
        )
        self.evictions = self._counter(
            "apf_policy_evictions", "VMs whose jobs were evicted because their drain deadline was over", "cloud"
        )
        self.drains_waiting = self._gauge("apf_drains_waiting", "Drains that the disruption budget holds back", "cloud")
        self.notices = self._counter(
            "apf_spot_notices", "Notices that a cloud's queue brought, by kind", "cloud", "kind"
        )
        self.wakes = self._counter(
            "apf_negotiations_asked", "Times that a pool was asked to match waiting jobs", "pool"
        )
        self.drains_refused = self._counter("apf_drains_refused", "Drain requests that a startd refused", "cloud")

    def _of_this_host(self) -> None:
        self.mail_dropped = self._counter("apf_mail_dropped", "Mails that could not be sent")
        self.failing = self._gauge(
            "apf_post_failing", "1 while an actor has set a post aside, since looking at it fails", "actor", "post"
        )
        self.thread_failures = self._counter("apf_thread_failures", "Rounds of a host's thread that failed", "thread")
        self.damaged = self._gauge("apf_damaged_rows", "Values in Redis that this host came across and cannot read")
        self.restarts = self._counter("apf_actor_restarts", "Actors that the supervisor started anew", "actor")
        self.terms = self._gauge("apf_terms_held", "Posts that this host holds", "kind")
        self.look_s = Histogram(
            "apf_look_seconds", "How long an actor looked at a post", ["actor"], registry=self.registry
        )

    def reading(self, source: str, reading: JobsSeen | StartdsSeen | Listed | Failed) -> None:
        failed = isinstance(reading, Failed) or (isinstance(reading, JobsSeen) and not reading.complete)
        self.reading_failed.labels(source).set(failed)
        if not isinstance(reading, Failed):
            self.reading_at.labels(source).set(reading.at)

    def demand(self, queue: str, reading: JobsSeen) -> None:
        for state in ("idle", "young", "running", "held"):
            self.jobs.labels(queue, state).set(sum(getattr(kind, state) for kind in reading.classes))

    def want(self, want: Want) -> None:
        self.wants.labels(want.queue, want.cloud).set(want.n)

    def fleet(self, view: FleetView) -> None:
        for state in (*State, "unwanted", "leaving", "silent", "astray"):
            if hasattr(view, state):
                self.vms.labels(view.cloud, view.queue, str(state)).set(getattr(view, state))
        for mark in MARKS:
            if hasattr(view, mark):
                self.marked.labels(view.cloud, view.queue, mark).set(getattr(view, mark))

    def cost(self, cloud: str, queues: Iterable[str], vms: Iterable[Vm]) -> None:
        """Of VMs that may be paid for: a launch without an answer is counted, as it may have started one."""
        spent = dict.fromkeys(queues, 0.0)
        for vm in vms:
            if vm.alive:
                spent[vm.queue] = spent.get(vm.queue, 0.0) + vm.usd_per_hour
        for queue, usd in spent.items():
            self.usd_per_hour.labels(cloud, queue).set(usd)

    def cloud(self, view: CloudView) -> None:
        self.room.labels(view.cloud).set(view.room)
        self.closed.labels(view.cloud).set(bool(view.closed))
        self.breaker.labels(view.cloud).set(_BREAKER[view.breaker_at or Position.CLOSED])
        self.frozen.labels(view.cloud).set(bool(view.frozen))
        self.strangers.labels(view.cloud).set(len(view.strangers))

    def account(self, cloud: str, account: str, used: Sequence[float], limits: Sequence[float | None]) -> None:
        """`used` and `limits` in VMs, cores and US$/h; `used` empty: not known."""
        self.account_unknown.labels(account, cloud).set(not used)
        for kind, amount in zip(ACCOUNT_KINDS, used, strict=False):
            self.account_used.labels(account, cloud, kind).set(amount)
        for kind, limit in zip(ACCOUNT_KINDS, limits, strict=True):
            if limit is not None:
                self.account_limit.labels(account, cloud, kind).set(limit)

    def drains(self, cloud: str, waiting: int, late: int) -> None:
        """Drains that the disruption budget holds back, and those that take longer than their tier allows."""
        self.drains_waiting.labels(cloud).set(waiting)
        self.drains_overdue.labels(cloud).set(late)

    def sources(self, cloud: str, troubles: Mapping[str, str]) -> None:
        """`troubles`: by source, why it cannot be trusted; empty where it can."""
        for source, why in troubles.items():
            self.source_frozen.labels(cloud, source).set(bool(why))

    def forget(self, post: str) -> None:
        """This host holds the post no more: from now on another one says how it stands."""
        kind, _, name = post.partition("/")
        of_kind = {
            "queue": (self.jobs, self.wants, self.waiting, self.unmet, self.in_vain),
            "cloud": (
                self.vms,
                self.marked,
                self.usd_per_hour,
                self.room,
                self.closed,
                self.breaker,
                self.frozen,
                self.strangers,
                self.shape_short,
                self.drains_waiting,
                self.source_frozen,
                self.drains_overdue,
                self.account_used,
                self.account_limit,
                self.account_unknown,
            ),
        }
        for gauge in of_kind.get(kind, ()):
            _remove(gauge, lambda labels: labels[kind] == name)
        for gauge in (self.reading_at, self.reading_failed):
            _remove(gauge, lambda labels: f"{labels['source']}/".startswith(f"{post}/"))

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)


_BREAKER = {Position.CLOSED: 0, Position.HALF_OPEN: 1, Position.OPEN: 2}


def _remove(gauge: Gauge, chosen: Callable[[dict[str, str]], bool]) -> None:
    for family in list(gauge.collect()):
        for sample in family.samples:
            if chosen(sample.labels):
                gauge.remove(*sample.labels.values())
