"""How often the operator's token command is run, and what becomes of a template that cannot be used."""

import base64
import json
import sys
import threading
import time
from pathlib import Path

import pytest

from actors.clouds.worker.recipe import RecipeFailed
from actors.clouds.worker.token import For, TokenFailed
from actors.config.schema import Config
from actors.runtime.adapters import Tokens, recipe


def command(log: Path) -> tuple[str, ...]:
    """Prints a token that may advertise, and leaves a line."""
    claims = {"scope": "condor:/ADVERTISE_STARTD condor:/ADVERTISE_MASTER", "exp": time.time() + 3600}
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    program = f"open({str(log)!r}, 'a').write('run\\n'); print('head.{middle}.tail')"
    return (sys.executable, "-c", program)


def test_queues_that_need_a_token_at_the_same_time_share_one(tmp_path: Path) -> None:
    tokens, log, found = Tokens(), tmp_path / "log", []
    asked = command(log)
    threads = [threading.Thread(target=lambda: found.append(tokens.fresh(asked))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert log.read_text() == "run\n"


def test_another_pools_command_mints_a_token_of_its_own(tmp_path: Path) -> None:
    tokens = Tokens()
    for pool in ("a", "b"):
        tokens.fresh(command(tmp_path / pool))
    assert (tmp_path / "a").exists()
    assert (tmp_path / "b").exists()


def test_a_template_that_is_no_utf8_fails_its_own_launch_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "latin-1.yaml").write_bytes(b"#cloud-config\n# M\xfcnchen\n")
    cloud = {"kind": "ec2", "region": "r", "image": "ami-1", "instance_type": "m", "max_vms": 1}
    shape = {"shape": {"cpus": 1, "memory_mib": 1024}, "user_data": str(tmp_path / "latin-1.yaml")}
    pool = {"kind": "htcondor", "collector": "cm", "worker_token_command": command(tmp_path / "log")}
    queue = {"pool": "local", "jobs": "true", "cascade": [["private"]]}
    whole = {"factory": {"name": "f"}, "pools": {"local": pool}, "clouds": {"private": {**cloud, **shape}}}
    make = recipe(Config.model_validate({**whole, "queues": {"atlas": queue}}))
    with pytest.raises(RecipeFailed, match=r"template .*latin-1\.yaml is no UTF-8 text"):
        make("private", "atlas", "")


def of_launch(identity: str) -> tuple[str, ...]:
    """Prints a token of `identity`, in which a shell's $APF_LAUNCH is the launch's."""
    claims = '{"sub": "%s", "scope": "condor:/ADVERTISE_STARTD"}' % identity  # noqa: UP031
    program = (
        f"""printf 'head.%s.tail' "$(printf '%s' '{claims}' | sed "s/LAUNCH/$APF_LAUNCH/" | base64 -w0 | tr -d =)" """
    )
    return ("sh", "-c", program)


def test_a_token_of_a_launch_is_minted_for_it_alone() -> None:
    tokens, asked = Tokens(), of_launch("worker-LAUNCH@lab")
    one, other = (tokens.fresh(asked, For(launch=n, identities=("worker-{launch}@lab",))) for n in ("a1", "b2"))
    assert one.split(".")[1] != other.split(".")[1]


def test_a_token_of_another_identity_than_its_launchs_is_refused_before_a_vm_is_bought() -> None:
    with pytest.raises(TokenFailed, match=r"of worker@lab, .*allowed: worker-a1@lab.*APF_LAUNCH"):
        Tokens().fresh(of_launch("worker@lab"), For(launch="a1", identities=("worker-{launch}@lab",)))


def test_a_shared_token_is_of_no_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APF_LAUNCH", "of-somebody-else")
    token = Tokens().fresh(of_launch("worker-LAUNCH@lab"))
    middle = token.split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))["sub"] == "worker-@lab"
