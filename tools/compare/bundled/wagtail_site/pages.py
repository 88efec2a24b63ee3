"""Makes the database of a start project that has none yet, in the working directory, with ten pages."""

import os
import sys

sys.path.insert(0, os.getcwd())
os.environ["DJANGO_SETTINGS_MODULE"] = "wagtail_site.settings"

import django
from django.core.management import call_command

django.setup()
call_command("migrate", verbosity=0)

from home.models import HomePage

home = HomePage.objects.get(slug="home")
for number in range(10):
    home.add_child(instance=HomePage(title=f"Page {number}", slug=f"page-{number}"))
