"""What of an OpenStack account and cloud has to go together, said with its place and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.config.load import parse
from actors.config.mistakes import BadConfig

GOOD = (Path(__file__).parents[3] / "configs/openstack.toml").read_text()
ID = 'application_credential_id = "file:/etc/apf/facility-id"\n'


def said(old: str, new: str) -> list[str]:
    assert old in GOOD
    with pytest.raises(BadConfig) as wrong:
        parse(GOOD.replace(old, new, 1))
    return [f"{one.place}: {one.said} ({one.hint})" for one in wrong.value.mistakes]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (ID, "", "accounts.facility.application_credential_id: missing"),
        (ID, f'{ID}cloud = "x"\n', "accounts.facility.cloud: application_credential_id and cloud: each is a way"),
        ('auth_url = "https://keystone.example.org:5000/v3"\n', "", "accounts.facility.auth_url: missing"),
        ('project = "atlas" ', '#project = "atlas" ', "accounts.academic.project: missing"),
        ('cloud = "borrowed" ', 'clouds_yaml = "/x" ', "accounts.borrowed.cloud: missing"),
        ('kind = "openstack"\nauth_url', 'kind = "opnstack"\nauth_url', "did you mean 'openstack'?"),
        ('account = "academic"', 'account = "nobody"', "there is no account 'nobody'"),
        ('flavor = "m1.xlarge" ', '#flavor = "m1.xlarge" ', "clouds.facility.flavor: missing"),
        ("volume_gib = 80 ", '#volume_gib = 80\nvolume_type = "fast" #', "clouds.academic.volume_gib: missing"),
        ('tags = { contact', 'tags = { "apf:x" = "1", contact', "this name is taken"),
        ('tags = { contact', 'tags = { uuid = "1", contact', "clouds.academic.tags.uuid: this name is taken"),
        ('tags = { contact', 'tags = { "a/b" = "1", contact', "no name of metadata"),
        ("config_drive = true ", 'request = { name = "x" } #', "request.name: this field is the factory"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(old: str, new: str, told: str) -> None:
    assert any(told in one for one in said(old, new)), said(old, new)


def test_credentials_have_to_be_of_the_clouds_own_kind() -> None:
    ec2 = '[accounts.facility]\nkind = "ec2"\n\n[accounts.academic]'
    text = GOOD[: GOOD.index("[accounts.facility]")] + ec2 + GOOD[GOOD.index("[accounts.academic]") + 19 :]
    with pytest.raises(BadConfig, match="the account 'facility' is of kind 'ec2', the cloud of kind 'openstack'"):
        parse(text)


def test_the_servers_of_one_region_are_counted_once_for_an_account() -> None:
    config = parse(GOOD)
    assert config.clouds["facility"].place == "openstack|"
    assert config.clouds["facility"].made_from == "debian-13-condor"
