"""The Celery app as `celery -A cli.worker_app:app` loads it: for Flower, and for `celery inspect`."""

from domain.catalog import QUEUES
from runtime.broker import celery_url, make_celery
from runtime.resources import needed
from runtime.settings import read_settings

_SETTINGS = read_settings()

app = make_celery(
    _SETTINGS,
    broker_url=_SETTINGS.broker_url or celery_url(needed(_SETTINGS, "redis_url")),
    queues=QUEUES,
    client="monitor",
)
