from django.urls import path

from . import views

urlpatterns = [
    path("product/<int:number>", views.product, name="product"),
    path("category/<str:name>/<int:page>", views.category, name="category"),
    path("offers/<int:customer>", views.offers, name="offers"),
    path("offers/<int:customer>/popular", views.offers, {"part": 10}),
    path("reprice/<int:customer>", views.reprice),
]
