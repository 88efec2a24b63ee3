"""The application. Three pages are served before it is handed out, so that templates are compiled and
imports done in the master; not so with SHOP_COLD in the environment, where something else warms it, or nothing."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

from django.core.wsgi import get_wsgi_application
from django.test import RequestFactory

from . import views

application = get_wsgi_application()

if "SHOP_COLD" not in os.environ:
    for response in (
        views.product(RequestFactory().get("/product/1"), 1),
        views.category(RequestFactory().get("/category/books/0"), "books", 0),
        views.offers(RequestFactory().get("/offers/1"), 1),
    ):
        assert response.status_code == 200
