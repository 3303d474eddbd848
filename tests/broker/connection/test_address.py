"""Addresses: what is read, what is refused and why, and that no password shows."""

import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.connection.address import Address, Site
from broker.errors import BadUrl, RedisRefused, Unreachable, reaching


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost", "redis://localhost:6379/0"),
        ("redis://:secret@[::1]:7000/3", "redis://[::1]:7000/3"),
        ("rediss://u:secret@r.example/1?ca=/ca.pem", "rediss://r.example:6379/1?ca=/ca.pem"),
        ("sentinel://h1,h2:2,h3/4?master=apf", "sentinel://h1:26379,h2:2,h3:26379/4?master=apf"),
        ("amqp://u:secret@rabbit/site", "amqp://rabbit:5672/site"),
    ],
)
def test_an_address_is_read_and_shown_without_its_password(url: str, shown: str) -> None:
    address = Address.parse(url)
    assert str(address) == shown
    assert "secret" not in repr(address)
    assert ("secret" in url) == (address.password == "secret")


@pytest.mark.parametrize(
    ("url", "mistake"),
    [
        ("", "scheme 'missing'"),
        ("localhost:6379", "scheme 'localhost'"),
        ("http://localhost", "scheme 'http'"),
        ("redis://", "not host:port"),
        ("redis://host:port", "not host:port"),
        ("redis://host:0", "not host:port"),
        ("redis://host:70000", "not host:port"),
        ("redis://[::1", "not an address"),
        ("redis://host/name", "a number is needed"),
        ("redis://host/-1", "a number is needed"),
        ("redis://a,b", "takes one host"),
        ("redis://host?ssl_cert_reqs=none", "does not know ssl_cert_reqs"),
        ("rediss://host?ca=", "ca is empty"),
        ("rediss://host?insecure=1", "does not know insecure; it knows ca, cert, key"),
        ("sentinel://a,b", "needs ?master=NAME"),
        ("redis://:pa#ss@host", "%23"),
    ],
)
def test_a_wrong_address_is_refused_with_its_mistake(url: str, mistake: str) -> None:
    with pytest.raises(BadUrl) as wrong:
        Address.parse(url)
    assert mistake in str(wrong.value)


@given(
    st.text(max_size=60)
    | st.text(max_size=40).map("redis://".__add__)
    | st.text(max_size=40).map("sentinel://".__add__)
)
def test_any_text_is_an_address_or_bad_url(text: str) -> None:
    try:
        Address.parse(text)
    except BadUrl:
        return


def test_a_password_given_apart_wins() -> None:
    address = Address.parse("redis://u:old@host", password="n:e@w/")
    assert (address.user, address.password) == ("u", "n:e@w/")


def test_tls_always_checks_the_certificate_and_the_name(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("")
    for url in ("rediss://host", f"rediss://host?ca={ca}"):
        address = Address.parse(url)
        settings = address.client().connection_pool.connection_kwargs
        assert settings["ssl_cert_reqs"] == ssl.CERT_REQUIRED
        assert settings["ssl_check_hostname"] is True
        assert address.connection().ssl["ssl_cert_reqs"] == ssl.CERT_REQUIRED


def test_a_missing_ca_file_is_named() -> None:
    with pytest.raises(BadUrl, match="there is no file /not/there"):
        Address.parse("rediss://host?ca=/not/there").client()


def test_every_socket_has_a_time_limit_and_redis_py_never_retries() -> None:
    settings = Address.parse("redis://host").client().connection_pool.connection_kwargs
    assert settings["socket_timeout"] == 5
    assert settings["socket_connect_timeout"] == 2
    assert settings["retry"].get_retries() == 0
    options = Address.parse("redis://host").connection().transport_options
    assert options["socket_timeout"] == 5
    assert options["visibility_timeout"] <= 15


def test_amqp_holds_no_rows() -> None:
    with pytest.raises(BadUrl, match="mail only"):
        Address.parse("amqp://host").client()
    with pytest.raises(BadUrl, match="mail only"):
        Site(address=Address.parse("amqp://host"), factory="f")


@pytest.mark.parametrize("name", ["", "a b", "a:b", "*", "x" * 64, "-a"])
def test_a_factory_name_that_could_mix_with_another_is_refused(name: str) -> None:
    with pytest.raises(BadUrl, match="factory name"):
        Site(address=Address.parse("redis://host"), factory=name)


def test_a_wrong_password_is_refused_and_names_no_password(redis_address: Address) -> None:
    host, port = redis_address.nodes[0]
    wrong = Address.parse(f"redis://{host}:{port}", password="wrong-secret")
    with pytest.raises(RedisRefused) as no, reaching():
        wrong.client().ping()
    assert "wrong-secret" not in str(no.value)


def test_nobody_there_is_unreachable() -> None:
    with pytest.raises(Unreachable), reaching():
        Address.parse("redis://127.0.0.1:1").client().ping()


@pytest.mark.parametrize("url", ["redis://u:hun/ter2@h:1", "redis://:hun/ter2@h", "redis://u:ter2@h:hun/ter2"])
def test_a_password_that_breaks_the_address_is_not_shown_either(url: str) -> None:
    with pytest.raises(BadUrl) as wrong:
        Address.parse(url)
    assert "hun" not in str(wrong.value)
    assert "ter2" not in str(wrong.value)
