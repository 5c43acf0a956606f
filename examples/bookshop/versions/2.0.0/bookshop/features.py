"""Which features are on for whom: OpenFeature, with the flagd provider reading a file that is replaced while the shop runs."""

import logging

from bookshop.people import Person
from openfeature import api
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import OpenFeatureError

log = logging.getLogger(__name__)


def connect(path: str) -> None:
    """Watch the flag file. Only after the last fork of this process: the watching thread does not survive one."""
    try:
        api.set_provider_and_wait(FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=path, deadline_ms=250))
    except OpenFeatureError:
        log.warning("No flags at %s yet; every feature is off until there are", path)


def is_on(flag: str, person: Person) -> bool:
    """Whether the feature is on for this person; off where nobody ever said so."""
    context = EvaluationContext(targeting_key=person.name, attributes={"groups": list(person.groups)})
    return api.get_client().get_boolean_value(flag, False, context)
