"""The settings of Wagtail's start project as it would be served: no debugging, and the database in the
working directory, where every run has a copy of its own."""

import os

from mysite.settings.base import *  # noqa: F403

DEBUG = False
SECRET_KEY = "the site has no secrets"
ALLOWED_HOSTS = ["*"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.abspath("db.sqlite3")}}
