#!/usr/bin/python
# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: migrate
short_description: Migrate a database once, under a lock, from what it really holds
version_added: "0.1.0"
description:
  - Applies the migrations that come out of a release, as a rule one that is staged and not live yet, up to O(to) or the newest.
  - What is applied is read from the database every time. Neither changed files nor an earlier run decide; so a run that was killed or that failed can
    simply be run again, and a second run changes nothing.
  - A lock of the database is held meanwhile, and what is missing is decided again under it; of several migrators at once, one migrates.
  - A database that is ahead of the artifact, and an artifact whose applied migrations were edited, are refused before anything changes.
author:
  - surefoot maintainers (@surefoot)
extends_documentation_fragment:
  - surefoot.release.attributes
  - surefoot.release.attributes.step
  - surefoot.release.at_work
requirements:
  - psycopg 3 or psycopg2 on the host, in the Python that Ansible uses there, for PostgreSQL
notes:
  - Run it on one host only, in a play without C(serial); C(run_once) runs once in each batch.
  - The lock of PostgreSQL belongs to a session, so O(url) must lead to the server and not through a pooler in transaction mode.
  - The lock of SQLite is a file beside the database, C(<database>.surefoot-lock); it stays there.
  - While a migrator that was killed has left a tool or a statement at work, the next one waits for it.
options:
  engine:
    description:
      - V(sql) is a folder of plain SQL, with files such as C(0002_reviews.up.sql), C(0002_reviews.down.sql) and C(0002_reviews.verify.sql), of which the last
        two may be missing. The number is the id. Each migration runs in one transaction, together with its verification and its row in the table
        C(surefoot_migrations). Each query in the verification must answer with a row whose first value is true, or the migration is rolled back.
      - With V(sql), edits of comments and white space do not count as edits. The way down is kept in the database, so that an older artifact can go back.
      - With V(sql) on PostgreSQL, a file with the comment C(-- surefoot:) C(no-transaction) runs statement by statement, for C(CREATE INDEX CONCURRENTLY) and
        its like. Write it so that it can be run again.
      - V(alembic) drives the application's own Alembic, through the Python of its own virtualenv. The C(env.py) of the application decides which database is
        migrated; another one than O(url) is refused.
    type: str
    required: true
    choices: [sql, alembic]
  path:
    description: The release the migrations come out of; an absolute path.
    type: path
    required: true
  directory:
    description: The folder of migrations inside the release, for O(engine=sql).
    type: str
    default: migrations
  url:
    description:
      - The database, V(sqlite:///absolute/path) or V(postgresql://user:password@host/database).
      - A driver as in V(postgresql+psycopg://) is allowed and not used.
      - Its password appears in no result and in no message.
    type: str
    required: true
  to:
    description:
      - The id to migrate to, or to go back to; write it in quotes, as YAML takes V(0010) for a number.
      - Without it, the newest of the artifact. V(base) with O(state=reverted) goes back to before the first.
    type: str
  state:
    description:
      - V(migrated) only goes forward; an O(to) that would be a way back is refused.
      - V(reverted) goes back until O(to) is the newest migration that is applied. It needs a way down for each migration it takes back.
    type: str
    choices: [migrated, reverted]
    default: migrated
  reversible_only:
    description:
      - Refuse, before anything changes, to apply a migration that has no way down.
      - The runner asks for it unless a release without a way back was confirmed, since that may be seen only once the artifact is staged.
    type: bool
    default: false
  virtualenv:
    description:
      - The virtualenv of the application, for O(engine=alembic); relative to O(path) or absolute.
      - One of O(virtualenv) and O(python) is required there.
    type: path
  python:
    description: The Python of the application, where it is not C(bin/python) of a virtualenv; relative to O(path) or absolute.
    type: path
  config:
    description: The configuration of Alembic inside the release. Alembic runs in O(path).
    type: str
    default: alembic.ini
  environment:
    description:
      - Environment of the application's Alembic, such as the variable that its C(env.py) takes the database URL from.
      - Values of eight characters or more appear in no message.
    type: dict
    default: {}
  lock_wait:
    description:
      - Seconds to wait for another migrator to end, and then again for tables that are in use.
    type: int
    default: 60
  lock_timeout:
    description:
      - How long a statement may wait for a lock before it gives way; V(500ms), V(2s), V(1min). V(0s) waits for ever.
      - What a waiting C(ALTER TABLE) holds up is every later query of the table. So the wait is short, and is tried again until O(lock_wait) is over.
      - Reaches Alembic through C(PGOPTIONS), which asyncpg does not read.
    type: str
    default: 2s
  statement_timeout:
    description: How long a statement may take on PostgreSQL, written as O(lock_timeout) is. Without it there is no limit.
    type: str
"""

EXAMPLES = r"""
- name: Migrate to 0002 out of the staged release
  surefoot.release.migrate:
    engine: sql
    path: /opt/bookshop/releases/2.0.0
    url: "{{ bookshop_database_url }}"
    to: "0002"

- name: Migrate with the application's Alembic
  surefoot.release.migrate:
    engine: alembic
    path: /opt/bookshop/releases/2.0.0
    virtualenv: .venv
    url: "{{ bookshop_database_url }}"
    environment:
      DATABASE_URL: "{{ bookshop_database_url }}"
    statement_timeout: 5min

- name: Take back everything after 0001
  surefoot.release.migrate:
    engine: sql
    path: /opt/bookshop/releases/2.0.0
    url: "{{ bookshop_database_url }}"
    to: "0001"
    state: reverted
"""

RETURN = r"""
step:
  description: What was found, decided and done.
  returned: success
  type: dict
  contains:
    kind:
      description: Always V(migrate).
      type: str
      returned: always
      sample: migrate
    needed:
      description: Whether there is something to apply or to take back.
      type: bool
      returned: always
    reason:
      description: Why, as a sentence.
      type: str
      returned: always
      sample: "migration needed: 0002 not applied yet; the database is at 0001"
    before:
      description: C(current), the newest ids that are applied, and C(applied), all of them, oldest first.
      type: dict
      returned: always
      sample: {current: ["0001"], applied: ["0001"]}
    after:
      description: The same afterwards, read anew from the database.
      type: dict
      returned: always
      sample: {current: ["0002"], applied: ["0001", "0002"]}
    impact:
      description: Empty; what users notice of a migration is measured from outside.
      type: dict
      returned: always
    undo:
      description: The O(to) that leads back to C(before); V(null) where nothing changed, or where no single id says it.
      type: dict
      returned: always
      sample: {to: "0001"}
    reversible:
      description: Whether each migration that was run can be taken back. What a migration deletes does not come back with it.
      type: bool
      returned: always
    duration_ms:
      description: The time spent on the host, in milliseconds, waiting included.
      type: int
      returned: always
error:
  description:
    - The failure as data, with its C(kind), V(InvalidInput), V(Refused), V(Busy) or V(StepFailed), its C(message), what was C(seen), and what there is C(todo).
    - V(Busy) is a refusal because another is at work on the same; nothing was changed.
    - What was seen and what there is to do may be V(null).
  returned: failure
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.surefoot.release.plugins.module_utils.entry import migrate


def main() -> None:
    migrate.run(AnsibleModule(**migrate.SIGNATURE, supports_check_mode=True))


if __name__ == "__main__":
    main()
