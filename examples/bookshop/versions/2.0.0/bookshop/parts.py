"""What version 2.0.0 is made of."""

from bookshop import catalogue, health, reviews

BLUEPRINTS = (health.blueprint, catalogue.blueprint, reviews.blueprint)
