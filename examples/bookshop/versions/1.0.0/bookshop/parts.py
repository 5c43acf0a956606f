"""What version 1.0.0 is made of."""

from bookshop import catalogue, health

BLUEPRINTS = (health.blueprint, catalogue.blueprint)
