"""The catalogue that every worker needs, loaded once: products with prices, tags and reviews."""

import os
import random
from dataclasses import dataclass

PRODUCTS = int(os.environ.get("PRODUCTS", 60_000))
CATEGORIES = ["books", "games", "garden", "kitchen", "music", "office", "sports", "tools"]
WORDS = "light solid small large red blue round quiet sharp soft warm cold fast old new fine".split()


@dataclass
class Review:
    author: str
    stars: int
    text: str


@dataclass
class Product:
    number: int
    name: str
    category: str
    price: float
    tags: list
    details: dict
    reviews: list


def sentence(chance, length):
    return " ".join(chance.choice(WORDS) for _ in range(length)).capitalize() + "."


def product(number, chance):
    return Product(
        number=number,
        name=f"{chance.choice(WORDS)} {chance.choice(WORDS)} thing {number}".title(),
        category=CATEGORIES[number % len(CATEGORIES)],
        price=round(chance.uniform(1, 500), 2),
        tags=[f"{word}-{number % 97}" for word in chance.sample(WORDS, 3)],
        details={"weight": f"{number % 40 + 1} kg", "maker": f"maker {number % 1000}", "text": sentence(chance, 30)},
        reviews=[
            Review(f"customer {chance.randrange(10**6)}", chance.randint(1, 5), sentence(chance, 15))
            for _ in range(3)
        ],
    )


def load():
    chance = random.Random(2017)
    return [product(number, chance) for number in range(PRODUCTS)]


ALL = load()
BY_CATEGORY = {name: [each for each in ALL if each.category == name] for name in CATEGORIES}
