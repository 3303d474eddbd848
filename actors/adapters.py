"""From the configuration's kinds to the code that talks to the world. A new kind of cloud or pool is one line here."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from actors.clouds import simulated as simulated_cloud
from actors.clouds import user_data
from actors.clouds.ec2 import Ec2
from actors.clouds.port import Cloud
from actors.clouds.worker_token import TokenFailed, mint
from actors.config import Config, Ec2Cloud, HtcondorPool
from actors.pools import simulated as simulated_pool
from actors.pools.htcondor import Htcondor
from actors.pools.port import Pool
from actors.secrets_file import secret
from actors.worker_recipe import RecipeFailed

TOKEN_LIMIT_S = 30.0


def pool(config: Config, name: str) -> Pool:
    """The pool of this name. No call is made yet."""
    settings = config.pools[name]
    if isinstance(settings, HtcondorPool):
        return Htcondor.of(name, config)
    return simulated_pool.Simulated.of(name, config)


def cloud(config: Config, name: str) -> Cloud:
    """The cloud of this name. No call is made yet."""
    settings = config.clouds[name]
    if isinstance(settings, Ec2Cloud):
        account = config.accounts[settings.account] if settings.account else None
        return Ec2(factory=config.factory.name, name=name, config=settings, account=account, reveal=secret)
    return simulated_cloud.Simulated.of(name, config)


def recipe(config: Config) -> Callable[[str, str], str]:
    """(cloud, queue) -> the user-data of a new worker, with a token minted now. Raises RecipeFailed."""

    def make(cloud: str, queue: str) -> str:
        settings = config.pools[config.queues[queue].pool]
        if not isinstance(settings, HtcondorPool):
            return f"{queue}\n"  # a simulated worker needs to know only whose it is
        try:
            token = mint(settings.worker_token_command, TOKEN_LIMIT_S, time.time())
            own = config.clouds[cloud].user_data
            text = Path(own).expanduser().read_text() if own else user_data.template()
            return user_data.render(text, user_data.worker(config, cloud, queue, token))
        except (TokenFailed, user_data.TemplateMistake, OSError) as wrong:
            raise RecipeFailed(str(wrong)) from wrong

    return make
