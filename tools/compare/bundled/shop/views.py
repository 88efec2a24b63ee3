"""The pages: one product, a category sorted by the stars of its reviews, offers for one customer, and a
change of prices."""

import random
from collections import deque

from django.http import Http404, HttpResponse
from django.shortcuts import render

from .catalogue import ALL, BY_CATEGORY, sentence

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


def choice(customer, part=1):
    """The 200 products that a customer may like, out of the first 1/`part` of the catalogue."""
    chance = random.Random(customer)
    return [ALL[chance.randrange(len(ALL) // part)] for _ in range(200)]


def offers(request, customer, part=1):
    best = sorted(choice(customer, part), key=stars, reverse=True)[:20]
    RECENT.append([[customer, item.number] for item in best * 5])
    return render(request, "category.html", {"name": f"customer {customer}", "page": 0, "products": best})


def reprice(request, customer):
    """Writes what it reads: prices, tags and descriptions, all new."""
    chance = random.Random(customer)
    for item in choice(customer):
        item.price = round(item.price * 1.01, 2)
        item.tags = [tag.title() for tag in item.tags]
        item.details = {**item.details, "text": sentence(chance, 30)}
        item.reviews = [type(review)(review.author, review.stars, review.text.title()) for review in item.reviews]
    return HttpResponse("done")
