"""`python -m uwsgi_pycow` is `pycow`."""

import sys

from .cli import main

sys.exit(main())
