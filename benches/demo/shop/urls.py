from django.urls import path

from . import views

urlpatterns = [
    path("product/<int:number>", views.product, name="product"),
    path("category/<str:name>/<int:page>", views.category, name="category"),
]
