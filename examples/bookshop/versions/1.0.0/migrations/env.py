"""How alembic reaches the shop's database: `BOOKSHOP_DATABASE_URL`, as the shop itself does."""

import os

import sqlalchemy as sa
from alembic import context
from bookshop.models import Base, driver_url

url = driver_url(os.environ.get("BOOKSHOP_DATABASE_URL") or context.config.get_main_option("sqlalchemy.url") or "")
options = {"target_metadata": Base.metadata, "transaction_per_migration": True}

if context.is_offline_mode():
    context.configure(url=url, literal_binds=True, **options)
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, **options)
        with context.begin_transaction():
            context.run_migrations()
