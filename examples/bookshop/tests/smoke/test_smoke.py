"""What must work for users after every release, whatever the release was about."""

import json
import urllib.error
import urllib.request

import pytest

FRONT = "http://127.0.0.1:18080"


def get(path: str) -> str:
    with urllib.request.urlopen(FRONT + path, timeout=5) as answer:
        assert answer.status == 200
        return str(answer.read().decode())


def test_the_list_of_books_leads_to_each_book() -> None:
    page = get("/")
    for book in json.loads(get("/api/books")):
        assert f'<a href="/books/{book["id"]}">{book["title"]}</a>' in page
        assert f"<h2>{book['title']}</h2>" in get(f"/books/{book['id']}")


def test_there_is_something_to_sell() -> None:
    assert len(json.loads(get("/api/books"))) >= 5


def test_an_unknown_book_is_not_found() -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get("/books/999999")
