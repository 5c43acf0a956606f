"""How gunicorn serves one instance: one worker with threads, and time to finish the requests in flight."""

import os

bind = os.environ["BOOKSHOP_BIND"]
wsgi_app = "bookshop.app:create_app()"
worker_class = "gthread"
threads = 8
graceful_timeout = 8
control_socket_disable = True
