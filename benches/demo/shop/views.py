"""The pages: one product, and a category sorted by the stars of its reviews."""

from collections import deque

from django.http import Http404
from django.shortcuts import render

from .catalogue import ALL, BY_CATEGORY


# What visitors saw last, for every worker its own: such caches are why a full collection falls due
# in a worker that has been serving for a while.
RECENT = deque(maxlen=3000)


def stars(product):
    return sum(review.stars for review in product.reviews) / len(product.reviews)


def product(request, number):
    if number >= len(ALL):
        raise Http404
    item = ALL[number]
    related = [ALL[(number + step) % len(ALL)] for step in range(1, 6)]
    RECENT.append([[number, step] for step in range(40)])
    return render(request, "product.html", {"product": item, "stars": stars(item), "related": related})


def category(request, name, page):
    if name not in BY_CATEGORY:
        raise Http404
    shelf = BY_CATEGORY[name][page * 100 : page * 100 + 100]
    best = sorted(shelf, key=stars, reverse=True)[:20]
    return render(request, "category.html", {"name": name, "page": page, "products": best})
