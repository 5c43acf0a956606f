"""What the releases left in the database."""

from __future__ import annotations

testinfra_hosts = ["ansible://db"]


def psql(host, query: str) -> list[str]:
    return host.check_output("runuser -u postgres -- psql -At -d bookshop -c %s", query).splitlines()


def test_the_schema_is_the_newest_and_books_are_still_there(host) -> None:
    assert host.service("postgresql@15-main").is_running
    assert host.socket("tcp://0.0.0.0:5432").is_listening
    assert psql(host, "SELECT version_num FROM alembic_version") == ["0002"]
    assert {"books", "reviews"} <= set(psql(host, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"))
    assert int(psql(host, "SELECT count(*) FROM books")[0]) >= 5
