"""What the releases left in the cache."""

from __future__ import annotations

testinfra_hosts = ["ansible://cache"]


def test_the_cache_knows_the_shape_of_its_pages(host) -> None:
    assert host.service("redis-server").is_running
    assert host.socket("tcp://127.0.0.1:6379").is_listening
    keys = host.check_output("redis-cli --raw keys '*'").split()
    assert "page:__surefoot_fingerprint__" in keys
    assert all(key.startswith("page:") for key in keys)
    # Pages of the old shape had no slot that reviews could be put into.
    pages = [host.check_output("redis-cli --raw get %s", key) for key in keys if key.startswith("page:book:")]
    assert pages
    assert all("slot" in page for page in pages)
