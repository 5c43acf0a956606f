"""flush_cache against a real Redis."""

from __future__ import annotations

import json
import pathlib
import threading
import time
import typing as t

import pytest
import redis
from _redis import Server, redis_server_fixture, running  # noqa: F401
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.surefoot.release.plugins.module_utils.cache.flush import FINGERPRINT_NAME, perform
from ansible_collections.surefoot.release.plugins.module_utils.cache.options import ARGUMENT_SPEC
from ansible_collections.surefoot.release.plugins.module_utils.cache.survey import survey
from ansible_collections.surefoot.release.plugins.module_utils.errors import Refused, StepFailed
from ansible_collections.surefoot.release.plugins.module_utils.step import Step
from helpers import run_module


def options(server: Server, **given: t.Any) -> dict[str, t.Any]:
    validated = ArgumentSpecValidator(ARGUMENT_SPEC).validate({"backend": "redis", "url": server.url, "prefix": "page:", "version": "1", **given})
    assert not validated.error_messages
    return t.cast("dict[str, t.Any]", validated.validated_parameters)


def flush(server: Server, *, check_mode: bool = False, **given: t.Any) -> Step:
    return perform(options(server, **given), check_mode=check_mode)


def fill(client: redis.Redis, prefix: bytes | str, count: int, value: str = "old") -> None:
    prefix = prefix.encode() if isinstance(prefix, str) else prefix
    for start in range(0, count, 10_000):
        client.mset({b"%s%d" % (prefix, number): value for number in range(start, min(start + 10_000, count))})


def contents(client: redis.Redis) -> dict[bytes, bytes | None]:
    names = list(client.scan_iter(count=5000))
    return dict(zip(names, client.mget(names), strict=True)) if names else {}


def commands(client: redis.Redis) -> set[str]:
    return {name.removeprefix("cmdstat_").partition("|")[0] for name in client.info("commandstats")}


def test_a_hundred_thousand_entries_go_without_blocking_the_server_and_others_stay(redis_server: Server) -> None:
    fill(redis_server.client, "page:", 100_000)
    fill(redis_server.client, "session:", 20_000)
    fill(redis_server.client, "pag", 10)
    redis_server.client.config_resetstat()
    step = flush(redis_server)
    used = commands(redis_server.client)
    assert step.needed
    assert step.before["entries"] == 100_000
    assert step.after["entries"] == 0
    assert step.impact == {"entries_removed": 100_000}
    assert redis_server.client.dbsize() == 20_010 + 1
    assert redis_server.client.get("page:" + FINGERPRINT_NAME) == step.after["fingerprint"].encode()
    assert "unlink" in used
    assert not used & {"keys", "del", "flushdb", "flushall"}
    assert redis_server.client.info("commandstats")["cmdstat_scan"]["calls"] < 200


@pytest.mark.parametrize("prefix", ["p*ge:", "p[a]ge:", "p?ge:", "p\\age:", "p[^b]ge:", "page-[a-z]:", "päge:", "{page}:", "p\nge:"])
def test_a_prefix_is_literal(redis_server: Server, prefix: str) -> None:
    near = ["page:", "pbge:", "p:ge:", "page-q:", "pge:", "p*", "p"]
    for other in near:
        fill(redis_server.client, other, 3)
    fill(redis_server.client, prefix, 4)
    step = flush(redis_server, prefix=prefix)
    assert step.before["entries"] == 4
    assert step.after["entries"] == 0
    assert redis_server.client.dbsize() == 3 * len(near) + 1


def test_second_run_changes_nothing_and_a_way_back_flushes_again(redis_server: Server) -> None:
    fill(redis_server.client, "page:", 10)
    assert flush(redis_server, version="1").needed
    fill(redis_server.client, "page:", 10, "shape 1")
    before = contents(redis_server.client)
    again = flush(redis_server, version="1")
    assert not again.needed
    assert again.before == again.after
    assert again.undo is None
    assert contents(redis_server.client) == before
    assert flush(redis_server, version="2").needed
    fill(redis_server.client, "page:", 10, "shape 2")
    back = flush(redis_server, version="1")
    assert "cached shapes changed" in back.reason
    assert redis_server.client.dbsize() == 1


def test_shapes_of_a_release_decide(redis_server: Server, tmp_path: pathlib.Path) -> None:
    for version, template, code in (("1.0", "a", "x"), ("1.1", "a", "y"), ("2.0", "b", "y")):
        (tmp_path / version / "templates").mkdir(parents=True)
        (tmp_path / version / "templates" / "page.html").write_text(template)
        (tmp_path / version / "app.py").write_text(code)
    fill(redis_server.client, "page:", 5)
    needed = [flush(redis_server, version="", shapes=["templates"], root=str(tmp_path / version)).needed for version in ("1.0", "1.1", "2.0", "1.0")]
    assert needed == [True, False, True, True]


def test_what_is_unknown_is_flushed_and_what_is_empty_recorded(redis_server: Server) -> None:
    assert "holds nothing" in flush(redis_server, prefix="empty:").reason
    assert redis_server.client.exists("empty:" + FINGERPRINT_NAME)
    fill(redis_server.client, "page:", 3)
    assert not flush(redis_server, initial="record", prefix="page:").needed
    assert redis_server.client.exists("page:0")
    redis_server.client.delete("page:" + FINGERPRINT_NAME)  # as an eviction would
    assert "unknown shape" in flush(redis_server).reason
    assert not redis_server.client.exists("page:0")


def test_check_mode_writes_nothing_and_predicts(redis_server: Server) -> None:
    fill(redis_server.client, "page:", 12)
    before = contents(redis_server.client)
    redis_server.client.config_resetstat()
    predicted = flush(redis_server, check_mode=True)
    assert commands(redis_server.client) <= {"scan", "get", "info", "client", "hello", "select", "config"}
    assert contents(redis_server.client) == before
    done = flush(redis_server)
    assert (predicted.before, predicted.after, predicted.needed, predicted.reason) == (done.before, done.after, done.needed, done.reason)


def test_a_flush_that_could_not_finish_is_done_again_for_whichever_release_comes(redis_server: Server) -> None:
    flush(redis_server, version="1")
    fill(redis_server.client, "page:", 3000)
    redis_server.client.acl_setuser("halting", enabled=True, passwords=["+hunter2"], keys=["*"], categories=["+@all"], commands=["-unlink"])
    url = f"redis://halting:hunter2@127.0.0.1:{redis_server.port}/0"
    with pytest.raises(StepFailed, match="did not remove its entries") as caught:
        flush(redis_server, version="2", url=url)
    assert "hunter2" not in str(caught.value)
    # Back to release 1: its own fingerprint was stored before the attempt, and must not be trusted now.
    step = flush(redis_server, version="1")
    assert "not finished" in step.reason
    assert redis_server.client.dbsize() == 1


def test_what_the_new_release_caches_meanwhile_is_no_failure(redis_server: Server) -> None:
    fill(redis_server.client, "page:", 20_000)
    stop = threading.Event()

    def serve() -> None:
        client, number = redis.Redis(port=redis_server.port), 0
        while not stop.is_set():
            client.set(f"page:{number % 20_000}", "new")
            number += 1
        client.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        flush(redis_server)
    finally:
        stop.set()
        thread.join()
    assert b"old" not in contents(redis_server.client).values()


def test_an_application_url_that_asks_for_text_works(redis_server: Server) -> None:
    fill(redis_server.client, "page:", 3)
    assert flush(redis_server, url=redis_server.url + "?decode_responses=true").before["entries"] == 3
    assert not flush(redis_server, url=redis_server.url + "?decode_responses=true").needed


def test_a_wrong_password_is_refused_and_not_shown(redis_server: Server) -> None:
    url = f"redis://nobody:hunt%40er2@127.0.0.1:{redis_server.port}/0"
    with pytest.raises(Refused, match=f"Redis at 127.0.0.1:{redis_server.port}/0 cannot be used") as caught:
        flush(redis_server, url=url)
    assert "er2" not in str(caught.value)
    assert not survey(options(redis_server, url=url))["reachable"]


def test_a_server_that_is_gone_is_a_clear_error_soon(tmp_path: pathlib.Path) -> None:
    with running(tmp_path) as server:
        given = options(server)
    started = time.monotonic()
    with pytest.raises(Refused, match=r"cannot be used.*Connection refused.*check that it runs"):
        perform(given, check_mode=False)
    assert time.monotonic() - started < 15
    found = survey(given)
    assert not found["reachable"]
    assert "Connection refused" in found["reason"]
    assert not found["needed"]


def test_a_cluster_is_refused(tmp_path: pathlib.Path) -> None:
    with running(tmp_path, "--cluster-enabled", "yes") as server, pytest.raises(Refused, match="is a cluster"):
        flush(server)


def test_survey_reads_only(redis_server: Server) -> None:
    fill(redis_server.client, "page:", 3)
    before = contents(redis_server.client)
    found = survey(options(redis_server))
    assert found["needed"]
    assert found["stored"] is None
    assert contents(redis_server.client) == before


def test_the_module_itself(redis_server: Server) -> None:
    fill(redis_server.client, "page:", 7)
    redis_server.client.acl_setuser("app", enabled=True, passwords=["+hunter2"], keys=["page:*"], categories=["+@all"])
    args = {"backend": "redis", "url": f"redis://app:hunter2@127.0.0.1:{redis_server.port}/0", "prefix": "page:", "version": "1"}
    checked = run_module("flush_cache", args, check=True)
    assert checked["changed"]
    assert redis_server.client.dbsize() == 7
    done = run_module("flush_cache", args)
    again = run_module("flush_cache", args)
    assert done["changed"]
    assert done["step"]["before"]["entries"] == 7
    assert not again["changed"]
    assert again["step"]["needed"] is False
    failed = run_module("flush_cache", {**args, "url": args["url"].replace("hunter2", "hunter3")})
    assert failed["failed"]
    assert failed["error"]["kind"] == "Refused"
    for result in (checked, done, again, failed):
        assert "hunter" not in json.dumps(result)
