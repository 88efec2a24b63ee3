"""A foreign test suite as an application: its tests are found in the master and run in the worker.

SUITE: which. FOLDER: where it lies. RESULTS: the file that gets a line of JSON for each test. ONLY: a file with
the names of the tests to run; all of the selection, if it is not set.

Each request runs tests for some seconds, and answers how many were run since the last.
"""

import json, os, sys, time

FOLDER, SECONDS = os.environ["FOLDER"], 10
only = open(os.environ["ONLY"]).read().splitlines() if "ONLY" in os.environ else None
results = open(os.environ["RESULTS"], "w", buffering=1)


def note(name, outcome, why=""):
    json.dump({"name": name, "outcome": outcome, "why": why[-2000:]}, results)
    results.write("\n")


def selected(name):
    return only is None or name in only


def django():
    """Django's own tests, each class a step."""
    import itertools, unittest

    labels = os.environ["SELECTION"].split()
    os.environ["DJANGO_SETTINGS_MODULE"] = "test_sqlite"
    os.environ["TMPDIR"] = os.path.dirname(os.environ["RESULTS"])
    os.chdir(FOLDER + "/tests")
    sys.path[:0] = [FOLDER, FOLDER + "/tests"]
    import runtests

    runtests.setup_run_tests(0, None, None, labels)
    from django.test.runner import DiscoverRunner

    class Result(unittest.TestResult):
        def addSuccess(self, test): note(test.id(), "passed")
        def addSkip(self, test, reason): note(test.id(), "skipped", reason)
        def addExpectedFailure(self, test, error): note(test.id(), "skipped", "expected to fail")
        def addUnexpectedSuccess(self, test): note(test.id(), "failed", "unexpected success")
        def addFailure(self, test, error): note(test.id(), "failed", self._exc_info_to_string(error, test))
        def addError(self, test, error): note(test.id(), "failed", self._exc_info_to_string(error, test))
        def addSubTest(self, test, part, error):
            if error: note(test.id() + " " + str(part), "failed", self._exc_info_to_string(error, test))

    runner = DiscoverRunner(verbosity=0, interactive=False)
    suite = [test for test in runner.build_suite(labels) if selected(test.id())]
    databases = runner.get_databases(suite)

    def run():
        runner.setup_test_environment()
        runner.setup_databases(aliases=databases)
        for _, group in itertools.groupby(suite, type):
            group = list(group)
            unittest.TestSuite(group).run(Result())
            yield len(group)

    return run()


def pytest():
    """Tests that pytest finds, each a step."""
    import pytest
    from _pytest.config import _prepareconfig
    from _pytest.main import Session

    class Notes:
        def pytest_runtest_logreport(self, report):
            if report.when == "call" or report.outcome != "passed":
                note(report.nodeid, report.outcome, str(report.longrepr or ""))

    # Some leave files where they run.
    os.chdir(os.path.dirname(os.environ["RESULTS"]))
    arguments = ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:faulthandler", "-o", "addopts=", "--rootdir", FOLDER]
    selection = [os.path.join(FOLDER, part) for part in os.environ["SELECTION"].split()]
    config = _prepareconfig(arguments + selection, [Notes()])
    config._do_configure()
    session = Session.from_config(config)
    config.hook.pytest_sessionstart(session=session)
    config.hook.pytest_collection(session=session)
    items = [item for item in session.items if selected(item.nodeid)]
    print(len(items), "tests", flush=True)

    def run():
        for item, after in zip(items, items[1:] + [None]):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            yield 1

    return run()


steps = django() if os.environ["SUITE"] == "django" else pytest()


def application(environ, start):
    begin, done = time.monotonic(), 0
    for count in steps:
        done += count
        if time.monotonic() - begin > SECONDS:
            break
    start("200 OK", [])
    return [b"%d" % done]
