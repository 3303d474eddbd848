"""From the configuration's kinds to the code that talks to the world: ours, and those of installed packages."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from actors.clouds.condor_jobs.cloud import CondorJobs
from actors.clouds.ec2.cloud import Ec2, Reach
from actors.clouds.ec2.sqs import Sqs
from actors.clouds.openstack.cloud import OpenStack
from actors.clouds.port import Cloud
from actors.clouds.script.cloud import Script
from actors.clouds.simulated import cloud as simulated_cloud
from actors.clouds.spot_notices import NoticeQueue
from actors.clouds.worker import user_data
from actors.clouds.worker.recipe import Recipe, RecipeFailed
from actors.clouds.worker.token import NOBODY, For, TokenFailed, mint
from actors.config.as_policy import limit_of
from actors.config.plugins import CLOUDS, POOLS, known_kinds
from actors.config.schema import (
    CondorJobsCloud,
    Config,
    Ec2Account,
    Ec2Cloud,
    HtcondorPool,
    HttpJsonPool,
    OpenStackCloud,
    PandaPool,
    ScriptCloud,
    SimulatedCloud,
    SimulatedPool,
)
from actors.config.secrets import secret
from actors.pools import simulated as simulated_pool
from actors.pools.htcondor.pool import Htcondor
from actors.pools.http_json.source import HttpJson
from actors.pools.panda.source import Panda
from actors.pools.port import DemandSource

TOKEN_LIMIT_S = 30.0
TOKEN_FRESH_S = 30.0


def pool(config: Config, name: str) -> DemandSource:
    """The pool of this name: a `Pool` where its kind has startds. No call is made yet."""
    settings = config.pools[name]
    if isinstance(settings, HtcondorPool):
        return Htcondor.of(name, config)
    if isinstance(settings, SimulatedPool):
        return simulated_pool.WorldPool.of(name, config)
    if isinstance(settings, PandaPool):
        return Panda.of(name, config)
    if isinstance(settings, HttpJsonPool):
        return HttpJson.of(name, config)
    made: DemandSource = known_kinds(POOLS)[settings.kind].of(name, config)
    return made


def cloud(config: Config, name: str) -> Cloud:
    """The cloud of this name. No call is made yet."""
    settings = config.clouds[name]
    if isinstance(settings, Ec2Cloud):
        account = ec2_account(config, name)
        return Ec2(
            factory=config.factory.name,
            name=name,
            config=settings,
            account=account,
            reveal=_revealed,
            reach=Reach(
                count_foreign=bool(account and limit_of(account)),
                siblings=frozenset(config.clouds_of(settings.account)) if settings.account else frozenset(),
            ),
        )
    if isinstance(settings, OpenStackCloud):
        return OpenStack.of(name, config, _revealed)
    if isinstance(settings, ScriptCloud):
        return Script.of(name, config)
    if isinstance(settings, SimulatedCloud):
        return simulated_cloud.WorldCloud.of(name, config)
    if isinstance(settings, CondorJobsCloud):
        return CondorJobs.of(name, config)
    made: Cloud = known_kinds(CLOUDS)[settings.kind].of(name, config)
    return made


def ec2_account(config: Config, cloud: str) -> Ec2Account | None:
    """The account that a cloud of kind ec2 names."""
    named = config.accounts.get(config.clouds[cloud].account or "")
    return named if isinstance(named, Ec2Account) else None


def notice_queues(config: Config) -> dict[str, NoticeQueue]:
    """By cloud, where its spot notices are; those without such a queue are absent. No call is made yet."""
    found: dict[str, NoticeQueue] = {}
    for name, settings in config.clouds.items():
        if isinstance(settings, Ec2Cloud) and settings.notices_queue:
            found[name] = Sqs(
                url=settings.notices_queue,
                region=settings.region,
                account=ec2_account(config, name),
                reveal=_revealed,
                timeout_s=settings.timeout_s,
            )
        if isinstance(settings, SimulatedCloud) and settings.notices_queue:
            found[name] = simulated_cloud.Notices(name, settings)
    return found


def recipe(config: Config) -> Recipe:
    """The user-data of a new worker, with a fresh token."""
    tokens = Tokens()

    def make(cloud: str, queue: str, launch: str) -> str:
        if not config.clouds[cloud].joins_pool:
            return ""  # a pilot is no worker of ours
        settings = config.pools[config.queues[queue].pool]
        if not isinstance(settings, HtcondorPool):
            return f"{queue}\n"  # a simulated worker needs to know only whose it is
        try:
            whose = For(launch=launch, identities=settings.worker_identities)
            token = tokens.fresh(settings.worker_token_command, whose)
            own = config.clouds[cloud].user_data
            text = Path(own).expanduser().read_text(encoding="utf-8") if own else user_data.template()
            return user_data.render(text, user_data.worker(config, cloud, queue, token))
        except (TokenFailed, user_data.TemplateMistake, OSError) as wrong:
            raise RecipeFailed(str(wrong)) from wrong
        except UnicodeDecodeError as wrong:
            raise RecipeFailed(f"the user-data template {own} is no UTF-8 text: {wrong}") from wrong

    return make


class Tokens:
    """Workers' tokens, by the command that mints them. A token is its pool's, not a queue's.

    So one that is seconds old does for the other queues' workers too: with 200 queues on two clouds the command would
    run 400 times every ten minutes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minted: dict[tuple[str, ...], tuple[str, float]] = {}

    def fresh(self, command: tuple[str, ...], whose: For = NOBODY) -> str:
        """A token at most TOKEN_FRESH_S old; of one launch, its own. Who comes while one is minted waits for it. Raises
        TokenFailed.
        """
        if whose.launch:
            return mint(command, TOKEN_LIMIT_S, time.time(), whose)
        with self._lock:
            token, at = self._minted.get(command, ("", -TOKEN_FRESH_S))
            if time.monotonic() - at >= TOKEN_FRESH_S:
                token, at = mint(command, TOKEN_LIMIT_S, time.time()), time.monotonic()
                self._minted[command] = (token, at)
            return token


def _revealed(reference: str) -> str:
    """For Amazon's client, which formats what it is given. Raises NoSecret."""
    return secret(reference).reveal()
