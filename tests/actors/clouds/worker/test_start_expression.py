"""START asks about the job, whatever attributes the slot has: held against real ClassAd matching."""

from __future__ import annotations

import classad2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.clouds.worker.start_expression import about_the_job, start
from actors.policies.rules import RETIREMENT_S


@pytest.mark.parametrize(
    ("jobs", "asked"),
    [
        ('MATCH_APF_QUEUE == "atlas"', 'TARGET.MATCH_APF_QUEUE == "atlas"'),
        ("JobUniverse==5&&Rank>0", "TARGET.JobUniverse==5&&TARGET.Rank>0"),
        ("MY.Owner =?= undefined", "TARGET.Owner =?= undefined"),
        ("my . Owner is UNDEFINED", "TARGET . Owner is UNDEFINED"),
        ("TARGET.Owner isnt error", "TARGET.Owner isnt error"),
        ('regexp("a.b", Cmd, "i")', 'regexp("a.b", TARGET.Cmd, "i")'),
        ('stringListMember (Owner, "alice,bob")', 'stringListMember (TARGET.Owner, "alice,bob")'),
        ("member(Owner, {Group, 1.5e3, 31})", "member(TARGET.Owner, {TARGET.Group, 1.5e3, 31})"),
        ("Environment.Site == 2.5", "TARGET.Environment.Site == 2.5"),
        ('\'odd name\' == "x \\" MY.y"', 'TARGET.\'odd name\' == "x \\" MY.y"'),
        ("true && FALSE", "true && FALSE"),
        ("RequestCpus > 1 // big ones\n && Group == 2 /* or\nso */ && x", ""),
    ],
)
def test_each_name_without_a_scope_is_the_jobs(jobs: str, asked: str) -> None:
    expected = asked or "TARGET.RequestCpus > 1 && TARGET.Group == 2 && TARGET.x"
    assert about_the_job(jobs) == expected
    classad2.ExprTree(expected)


NAMES = ["State", "Rank", "Cpus", "MATCH_APF_QUEUE", "Owner"]
LITERALS = st.sampled_from(["1", "2", '"atlas"', '"MY.x"', "undefined", "true", "-0.5"])
TERMS = st.one_of(LITERALS, st.sampled_from(NAMES), st.sampled_from([f"MY.{name}" for name in NAMES]))
COMPARED = st.builds(
    lambda a, op, b: f"({a} {op} {b})", TERMS, st.sampled_from(["==", "=?=", "<", "isnt", "!="]), TERMS
)
EXPRESSIONS = st.recursive(
    COMPARED,
    lambda inner: st.one_of(
        st.builds(lambda a, op, b: f"({a} {op}\n {b})", inner, st.sampled_from(["&&", "||"]), inner),
        st.builds(lambda a: f"!{a}", inner),
        st.builds(lambda a, b: f"ifThenElse({a}, {b}, isUndefined(Rank))", inner, inner),
    ),
    max_leaves=5,
)
ADS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from([1, 2, "atlas", True]), max_size=5)


@given(expression=EXPRESSIONS, job=ADS, slot=ADS)
def test_a_slot_takes_the_jobs_that_the_expression_matches_and_no_others(
    expression: str, job: dict[str, int | str], slot: dict[str, int | str]
) -> None:
    nobody = classad2.ClassAd({"Requirements": True})
    asked_by_the_job = classad2.ClassAd({**job, "Requirements": classad2.ExprTree(expression)})
    asked_by_the_slot = classad2.ClassAd({**slot, "Requirements": classad2.ExprTree(about_the_job(expression))})
    job_ad = classad2.ClassAd({**job, "Requirements": True})
    assert asked_by_the_slot.symmetricMatch(job_ad) == asked_by_the_job.symmetricMatch(nobody)


SLOT: dict[str, int] = {}


def takes(start_expression: str, **job: int | str) -> bool:
    text = start_expression.replace("$(MAXJOBRETIREMENTTIME)", str(RETIREMENT_S)).replace("$(DOLLAR)", "$")
    slot = classad2.ClassAd({"Requirements": classad2.ExprTree(text), "GoodDisk": True, **SLOT})
    return bool(slot.symmetricMatch(classad2.ClassAd({"Requirements": True, **job})))


def test_a_job_of_the_queue_is_taken_and_another_is_not() -> None:
    asked = start('Q == "atlas"')
    assert takes(asked, Q="atlas")
    assert not takes(asked, Q="cms")
    assert not takes(asked)


def test_a_job_that_asks_for_a_shorter_retirement_is_refused() -> None:
    asked = start('Q == "atlas"')
    assert not takes(asked, Q="atlas", MaxJobRetirementTime=0)
    assert not takes(asked, Q="atlas", MaxJobRetirementTime=RETIREMENT_S - 1)
    assert takes(asked, Q="atlas", MaxJobRetirementTime=RETIREMENT_S)


@pytest.mark.parametrize(("grants_s", "takes_it"), [(0, False), (RETIREMENT_S, True), (3600, True)])
def test_a_slot_that_grants_nothing_since_a_drain_was_taken_back_takes_no_job(
    grants_s: int, takes_it: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SLOT, "MaxJobRetirementTime", grants_s)
    assert takes(start('Q == "atlas"'), Q="atlas") is takes_it


def test_a_further_condition_is_about_the_slot() -> None:
    assert takes(start("Q == 1", "GoodDisk"), Q=1)
    assert not takes(start("Q == 1", "MY.GoodDisk == false"), Q=1)


def test_an_or_in_an_expression_does_not_open_the_other_conditions() -> None:
    assert not takes(start("Q == 1 || Q == 2", "false || GoodDisk"), Q=2, MaxJobRetirementTime=0)


def test_a_dollar_sign_is_no_macro() -> None:
    assert "$(ENV)" not in start('Cmd == "$(ENV)"')
    assert takes(start('regexp("^sleep$", Cmd)'), Cmd="sleep")


def test_start_is_one_line() -> None:
    assert "\n" not in start("Q == 1\n  && R == 2 // why\n", "true\n&& true")
