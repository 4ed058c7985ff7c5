"""What `up` runs to its end before the platform's processes: the newest schema and, in development, the seed."""

from cli.migrate import migrate_and_seed
from runtime.logs import configure_logs
from runtime.settings import read_settings


def main() -> None:
    """Migrate and seed as the environment says."""
    settings = read_settings()
    configure_logs(settings, process="migrate")
    migrate_and_seed(settings, api_key=settings.api_key)


if __name__ == "__main__":
    main()
