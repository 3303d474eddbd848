"""Who may read and who may wish; what a page of somebody else, a forged header or a borrowed name may not."""

from dataclasses import replace
from ipaddress import ip_network

import pytest
from fastapi.testclient import TestClient

from actors.web.access import COOKIE, Denied, Rules, Visitor, WebAsked, caller, may
from actors.web.tokens import Right, TokenFile

WISH = {"verb": "drain", "selector": "cloud", "name": "spot", "reason": "a look"}


def asked(client: str = "192.0.2.7", **headers: str) -> WebAsked:
    return WebAsked(
        client=client, headers={"host": "localhost:9619"} | {k.replace("_", "-"): v for k, v in headers.items()}
    )


def test_who_is_on_the_machine_may_read_and_not_wish(here: TestClient) -> None:
    assert here.get("/api/v1/status").status_code == 200
    answer = here.post("/api/v1/wishes", json=WISH)
    assert answer.status_code == 403
    assert "a token is needed" in answer.json()["detail"]


def test_who_comes_from_elsewhere_needs_a_token(afar: TestClient, tokens: TokenFile) -> None:
    assert afar.get("/api/v1/status").status_code == 401
    secret = tokens.add("grafana", [Right.READ])
    assert afar.get("/api/v1/status", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    assert afar.get("/api/v1/status", headers={"Authorization": "Bearer apf_guess"}).status_code == 401


def test_a_token_that_was_revoked_or_may_too_little_does_nothing(afar: TestClient, tokens: TokenFile) -> None:
    headers = {"Authorization": f"Bearer {tokens.add('grafana', [Right.READ])}"}
    answer = afar.post("/api/v1/wishes", json=WISH, headers=headers)
    assert answer.status_code == 403
    assert "lacks the scope 'wish'" in answer.json()["detail"]
    tokens.revoke("grafana")
    assert afar.get("/api/v1/status", headers=headers).status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::1", "localhost@evil.example"])
def test_under_a_name_that_is_not_ours_nothing_is_answered(here: TestClient, host: str) -> None:
    """DNS rebinding: a name of somebody else that leads to our address."""
    assert here.get("/api/v1/status", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize(
    "origin", [None, "http://evil.example", "null", "http://127.0.0.1:8080", "https://127.0.0.1.x:9619"]
)
def test_a_page_of_somebody_else_cannot_wish_with_our_cookie(
    here: TestClient, tokens: TokenFile, origin: str | None
) -> None:
    here.cookies.set(COOKIE, tokens.add("ada", [Right.READ, Right.WISH]))
    headers = {"Origin": origin} if origin else {}
    answer = here.post("/wishes", data=WISH, headers=headers)
    assert answer.status_code == 403
    assert "not ours" in answer.text


def test_a_users_header_is_believed_from_the_proxy_alone() -> None:
    rules = Rules(behind=(ip_network("10.0.0.1/32"),), local=False)
    assert caller(rules, asked("10.0.0.1", x_forwarded_user="ada")).name == "ada"
    for client, headers in (("10.0.0.2", {"x_forwarded_user": "ada"}), ("10.0.0.1", {}), ("127.0.0.1", {})):
        with pytest.raises(Denied) as refused:
            caller(rules, asked(client, **headers))
        assert refused.value.status == 401


def test_who_the_proxy_names_wishes_from_our_own_page_only() -> None:
    rules = Rules(behind=(ip_network("10.0.0.1/32"),), local=False)
    said = asked("10.0.0.1", x_forwarded_user="ada", origin="http://localhost:9619")
    who = caller(rules, said)
    may(rules, who, Right.WISH, said)
    with pytest.raises(Denied):
        may(rules, who, Right.WISH, replace(said, headers={**said.headers, "origin": "http://evil.example"}))


def test_a_users_header_with_control_characters_is_shown_not_obeyed() -> None:
    rules = Rules(behind=(ip_network("10.0.0.1/32"),), local=False)
    who = caller(rules, asked("10.0.0.1", x_forwarded_user="ada\x1b[2J" + "a" * 500))
    assert isinstance(who, Visitor)
    assert "\x1b" not in who.name
    assert len(who.name) <= 100


def test_logging_in_makes_a_cookie_that_scripts_and_other_sites_cannot_use(here: TestClient, tokens: TokenFile) -> None:
    secret = tokens.add("ada", [Right.READ, Right.WISH])
    answer = here.post("/login", data={"token": secret}, follow_redirects=False)
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert here.post("/login", data={"token": "apf_guess"}, follow_redirects=False).status_code == 401


def test_a_body_larger_than_any_of_ours_is_refused_unread(here: TestClient, wisher: dict[str, str]) -> None:
    answer = here.post("/api/v1/wishes", content=b"x" * 70_000, headers=wisher)
    assert answer.status_code == 413


def test_more_wishes_than_a_person_has_are_refused(here: TestClient, wisher: dict[str, str]) -> None:
    bad = {**WISH, "reason": ""}
    answers = [here.post("/api/v1/wishes", json=bad, headers=wisher).status_code for _ in range(70)]
    assert 429 in answers
    assert here.get("/api/v1/status").status_code == 200


@pytest.mark.parametrize("path", ["/", "/vms", "/login", "/static/style.css", "/api/v1/status", "/nothing"])
def test_every_answer_forbids_scripts_of_others_and_frames(here: TestClient, path: str) -> None:
    headers = here.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["/static/../../cli.py", "/static/%2e%2e/%2e%2e/cli.py", "/static/..%2f..%2fcli.py", "/vms/..%2f..%2fetc%2fpasswd"],
)
def test_no_path_leads_to_a_file_that_is_not_the_pages(here: TestClient, path: str) -> None:
    answer = here.get(path)
    assert answer.status_code == 404
    assert "import" not in answer.text
