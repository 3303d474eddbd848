"""OpenStack's Nova as a cloud.

The rule it keeps: a create is sent once for each server, and only for one that is not there. Nova knows no token, so a
repeated launch looks by the token's tag and, for deleted ones, by the name; what it finds is what was started. If Nova
carries out a create later than the look of its repeat, one server is bought twice: it has our tags, and is adopted.

Nova accepts first (202) and finds out later whether there is room: so a launch waits for that, for a moment, and takes
away what found no place. What fails after that is listed as `defunct`, and is ended by who holds the cloud.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from actors.clouds.openstack import answers, errors, live_check
from actors.clouds.openstack import request as nova_request
from actors.clouds.openstack.link import OpenStackLink
from actors.clouds.openstack.names import Names
from actors.clouds.openstack.request import ServerMarks, ServerOrder
from actors.clouds.openstack.servers import Found, Servers
from actors.clouds.port import CloudError, Order, Refused, Spent, Throttled, TokenUsed, Unknown
from actors.config.as_policy import limit_of
from actors.config.findings import Finding
from actors.config.openstack import OpenStackAccount, OpenStackCloud
from actors.config.schema import Config
from actors.fleet.observations import Instance, Listed

AT_ONCE = 4  # calls of one launch or end under way together
SETTLE_S = 8.0  # a launch waits so long for Nova to find places
LOOK_S = 0.3
TOKEN_S = 86_400.0  # a launch without an answer is looked for among what was deleted since
DELETED_S = 3 * 3_600.0  # deleted servers are listed for so long
DELETED_FIRST_S = 7 * 86_400.0  # by the first listing: what was deleted while no host ran


class OpenStack:
    """One cloud of kind "openstack". Without `siblings` (the clouds of its account, itself too) it counts no others."""

    def __init__(
        self,
        marks: ServerMarks,
        config: OpenStackCloud,
        account: OpenStackAccount | None,
        reveal: Callable[[str], str],
        siblings: frozenset[str] = frozenset(),
    ) -> None:
        self._marks, self._config, self._siblings = marks, config, siblings
        self._link = OpenStackLink(account, config.region, reveal, config.timeout_s)
        self._servers, self._names = Servers(self._link), Names(self._link)
        self._looked_back = False

    @classmethod
    def of(cls, name: str, config: Config, reveal: Callable[[str], str]) -> OpenStack:
        cloud = config.clouds[name]
        if not isinstance(cloud, OpenStackCloud):
            raise TypeError(f"cloud {name} is of kind {cloud.kind}")
        account = config.accounts[cloud.account] if cloud.account else None
        if not isinstance(account, OpenStackAccount | None):
            raise TypeError(f"the account {cloud.account} of cloud {name} is of kind {account.kind}")
        limited = bool(account and limit_of(account))
        siblings = frozenset(config.clouds_of(cloud.account or "")) if limited else frozenset[str]()
        return cls(ServerMarks(factory=config.factory.name, cloud=name), cloud, account, reveal, siblings)

    def prepare(self, order: Order) -> str:
        return nova_request.freeze(order, self._config, self._marks)

    def launch(self, request: str) -> tuple[Instance, ...]:
        launch = nova_request.thaw(request)
        there = self._of_token(launch.token)
        self._must_be_of(launch, there)
        made, failed = self._create([n for n in range(launch.count) if n not in there], launch)
        servers = self._settled(launch)
        failed = self._never_ran(servers) or failed
        if not made <= {str(one["id"]) for one in servers}:
            failed = Unknown("a server was accepted and is not shown", "shown")
        found = [answers.instance(one, self._marks) for one in servers if answers.state_of(one) != "defunct"]
        if failed and (not found or isinstance(failed, (Throttled, Unknown))):
            raise _with_what_is_there(failed, len(found), launch.count)
        if not found:
            raise Spent("what this token started has ended already", "spent")
        return tuple(sorted(found, key=lambda one: one.index))

    def find(self, intent: str, token: str) -> tuple[Instance, ...]:
        by_token = self._servers.living(tags=_joined(*self._marks.tags, nova_request.token_tag(token)))
        by_intent = self._servers.living(tags=_joined(*self._marks.tags, nova_request.intent_tag(intent)))
        gone = self._servers.deleted(self._marks.pattern(intent=intent), time.time() - TOKEN_S)
        return tuple(answers.instance(one, self._marks) for one in answers.each_once([*gone, *by_token, *by_intent]))

    def listing(self, now: float) -> Listed:
        """Deleted ones first: of what is deleted between the two calls the older word counts."""
        back_s = DELETED_S if self._looked_back else DELETED_FIRST_S
        gone = self._servers.deleted(self._marks.pattern(), time.time() - back_s)
        filters = {} if self._siblings else {"tags": _joined(*self._marks.tags)}
        living = self._servers.living(**filters)
        ours, others = self._parted(living)
        self._looked_back = True
        found = [answers.instance(one, self._marks) for one in answers.each_once([*gone, *ours])]
        return Listed(
            source=f"cloud/{self._marks.cloud}",
            at=now,
            instances=tuple(found),
            foreign=len(others),
            foreign_cores=sum(map(answers.cores, others)),
        )

    def end(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Raises only if no id was accepted; what is left is asked for again by the caller, and then says why."""
        failed = self._each(ids, self._servers.delete)
        if ids and len(failed) == len(ids):
            raise failed[ids[0]]
        return tuple(id_ for id_ in ids if id_ not in failed)

    def mark_held(self, ids: Sequence[str], words: str) -> None:
        failed = self._each(ids, lambda id_: self._servers.write(id_, answers.HELD, words))
        for error in failed.values():
            raise error

    def close(self) -> None:
        self._link.close()

    def check(self) -> tuple[Finding, ...]:
        """Try the credentials, the listing, and all that a launch names. For `apf check --live`."""
        return live_check.findings(self._link, self._names, self._config, lambda: self.listing(0.0))

    def _of_token(self, token: str) -> dict[int, Found]:
        """By index, what the token started, deleted ones too."""
        gone = self._servers.deleted(self._marks.pattern(token=token), time.time() - TOKEN_S)
        living = self._servers.living(tags=_joined(*self._marks.tags, nova_request.token_tag(token)))
        return {answers.instance(one, self._marks).index: one for one in [*gone, *living]}

    def _must_be_of(self, launch: ServerOrder, there: dict[int, Found]) -> None:
        strange = [one for one in there.values() if answers.digest(one) not in ("", launch.digest)]
        if strange or any(index >= launch.count for index in there):
            raise TokenUsed("servers of this token were asked for by another request", "token")

    def _create(self, indices: Sequence[int], launch: ServerOrder) -> tuple[set[str], CloudError | None]:
        """The ids of what was made, and what the first that failed said; after that no more are asked for."""
        if not indices:
            return set(), None
        ids, made, failed = self._names.ids(launch), set[str](), list[CloudError]()

        def create(index: int) -> None:
            try:
                if not failed:
                    made.add(self._servers.create(nova_request.body(launch, index, self._marks, ids)))
            except CloudError as error:
                failed.append(error)

        with ThreadPoolExecutor(min(AT_ONCE, len(indices))) as crew:
            list(crew.map(create, indices))
        return made, next((one for one in failed if isinstance(one, Unknown)), failed[0]) if failed else None

    def _settled(self, launch: ServerOrder) -> list[Found]:
        """The launch's living servers, when Nova has found places for them or said that there are none."""
        tags, until = _joined(*self._marks.tags, nova_request.token_tag(launch.token)), time.monotonic() + SETTLE_S
        while True:
            servers = self._servers.living(tags=tags)
            if all(map(answers.is_settled, servers)) or time.monotonic() >= until:
                return servers
            time.sleep(LOOK_S)

    def _never_ran(self, servers: Sequence[Found]) -> CloudError | None:
        """What never got a place holds quota until it is deleted. Returns why; what a person must see goes first."""
        lost = [one for one in servers if answers.never_ran(one)]
        self._each([str(one["id"]) for one in lost], self._servers.delete)  # what is left is listed as defunct
        found = [errors.fault(one) for one in lost]
        return next((one for one in found if isinstance(one, Refused)), found[0]) if found else None

    def _each(self, ids: Sequence[str], act: Callable[[str], None]) -> dict[str, CloudError]:
        """What failed, by id."""
        failed: dict[str, CloudError] = {}

        def one(id_: str) -> None:
            try:
                act(id_)
            except CloudError as error:
                failed[id_] = error

        if ids:
            with ThreadPoolExecutor(min(AT_ONCE, len(ids))) as crew:
                list(crew.map(one, ids))
        return failed

    def _parted(self, servers: Sequence[Found]) -> tuple[list[Found], list[Found]]:
        """Ours of this cloud, and those of others: none of the clouds of our account."""
        if not self._siblings:
            return list(servers), []
        mine = frozenset({self._marks.cloud})
        ours = [one for one in servers if answers.is_of(one, self._marks.factory, mine)]
        others = [one for one in servers if not answers.is_of(one, self._marks.factory, self._siblings | mine)]
        return ours, others


def _with_what_is_there(error: CloudError, started: int, count: int) -> CloudError:
    """Only where nothing was started is a refusal sure."""
    return Unknown(f"{started} of {count} were started, then: {error}", error.code) if started else error


def _joined(*tags: str) -> str:
    return ",".join(tags)
