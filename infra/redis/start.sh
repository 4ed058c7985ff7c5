#!/bin/sh
# Starts the server given as arguments with valkey.conf and one user, `headrace`, whose password is REDIS_PASSWORD.
# All of it goes in on standard input: arguments are there for everybody to read.
set -eu
: "${REDIS_PASSWORD:?is not set}"
case $REDIS_PASSWORD in *[!A-Za-z0-9_-]*) echo "REDIS_PASSWORD may hold letters, digits, _ and - only: it is part of a URL." >&2; exit 2 ;; esac

# It may touch our keys, and nothing that reads or changes the server itself. Channels are open: Celery subscribes to
# patterns, which an access list would have to repeat to the letter. `default` is off, so whoever has no password has
# nothing; the health check asks as `health`, which may only ping.
exec "$@" - <<END
$(cat "${VALKEY_CONF:-/etc/valkey/valkey.conf}")
bind * -::*
user default off
user health on nopass -@all +ping
user headrace on >$REDIS_PASSWORD ~hr:* &* +@all -@admin -@dangerous +info
END
