"""What a run of the suite says besides passed and failed: what was run again and why, and what was not run at all.

`--skips-fail` (continuous integration): a test that was skipped fails the run, unless `allowed_skips` in
pyproject.toml names it, as `name of the test: reason`, or every one below a path, as `tests/folder/: reason`.
"""

from collections.abc import Sequence

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--skips-fail", action="store_true", help="a skipped test fails the run, unless allowed by name")
    parser.addini("allowed_skips", "tests that may be skipped: `test id or folder/: reason`", type="linelist")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--skips-fail") and not_allowed(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What failed each time before a test was run again: of its name alone nobody finds the cause."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"run again, since it was late: {report.nodeid}", sep="_")
        crash = getattr(report.longrepr, "reprcrash", None)
        terminalreporter.line(f"{crash.path}:{crash.lineno}: {crash.message}" if crash else report.longreprtext)
    if config.getoption("--skips-fail"):
        for report in not_allowed(config):
            terminalreporter.line(f"SKIPPED, which is a failure here: {report.nodeid}: {reason_of(report)}", red=True)


def not_allowed(config: pytest.Config) -> Sequence[pytest.TestReport]:
    """The skipped tests that nothing in `allowed_skips` names. None in a worker: it has no reporter."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    allowed = [line.partition(": ")[0] for line in config.getini("allowed_skips")]
    skipped = reporter.stats.get("skipped", []) if reporter else []
    return [report for report in skipped if not any(_names(line, report.nodeid) for line in allowed)]


def reason_of(report: pytest.TestReport) -> str:
    return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else report.longreprtext


def _names(line: str, test: str) -> bool:
    return test.startswith(line) if line.endswith("/") else test == line
