"""What version 2.1.0 is made of."""

from bookshop import catalogue, health, review_list, reviews

BLUEPRINTS = (health.blueprint, catalogue.blueprint, reviews.blueprint, review_list.blueprint)
