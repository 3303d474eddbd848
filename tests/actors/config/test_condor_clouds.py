"""What a cloud of pilots may not say: held against configs/two-queues.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.config.load import BadConfig, parse

TEXT = (Path(__file__).parents[3] / "configs/two-queues.toml").read_text()

MISTAKES = [
    ("a pool that is not there", 'pool = "local"   ', 'pool = "locl"   ', "there is no pool 'locl'"),
    ("a pool without a schedd", 'pool = "local"   ', 'pool = "panda"   ', "is of kind 'panda', which has no schedd"),
    ("a queue that is not there", 'feeds = "vms"', 'feeds = "vm"', "there is no queue 'vm'"),
    ("a queue that feeds itself", 'feeds = "vms"', 'feeds = "panda-cern"', "would feed itself"),
    (
        "pilots that are no jobs of the queue that they feed",
        """== "panda-cern"'""",
        """== "panda-bnl"'""",
        "pilots with MATCH_APF_QUEUE = 'panda-cern' are no jobs of queue 'vms'",
    ),
    (
        "pilots that are marked for another queue",
        '#match_apf_queue = "panda-cern"',
        'match_apf_queue = "other"',
        "pilots with MATCH_APF_QUEUE = 'other' are no jobs of queue 'vms'",
    ),
    ("a submit key that is ours", "submit = {", "submit = { environment = 'A=1',", "this key is the factory's own"),
    ("an attribute that is ours", "submit = {", "submit = { '+ApfToken' = '1',", "this attribute is the factory's own"),
    ("a key within a key", "submit = {", 'submit = { rank = "1\\nqueue 100",', "a line break"),
]


@pytest.mark.parametrize(("old", "new", "said"), [one[1:] for one in MISTAKES], ids=[one[0] for one in MISTAKES])
def test_a_mistake_is_told(old: str, new: str, said: str) -> None:
    assert old in TEXT
    with pytest.raises(BadConfig) as wrong:
        parse(TEXT.replace(old, new, 1))
    assert said in "\n".join(map(str, wrong.value.mistakes))
