#!/bin/sh
# Makes the roles and the database, once, on an empty server: as a script of the image's initdb folder, or by hand as a
# superuser. `headrace_owner` owns the tables and migrates; `headrace` reads and writes rows, and can change no table. For
# a caller's work it becomes `headrace_api`, which sees the rows of one tenant.
set -eu
: "${OWNER_PASSWORD:?is not set}" "${APP_PASSWORD:?is not set}"

psql -v ON_ERROR_STOP=1 --no-psqlrc --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'END'
\getenv owner_password OWNER_PASSWORD
\getenv app_password APP_PASSWORD
CREATE ROLE headrace_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE headrace LOGIN PASSWORD :'app_password';
CREATE ROLE headrace_api NOLOGIN;
GRANT headrace_api TO headrace_owner, headrace;
-- text is ordered by bytes wherever order matters to us, so any locale will do; this one is the same everywhere
CREATE DATABASE headrace OWNER headrace_owner TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8';
REVOKE ALL ON DATABASE headrace FROM PUBLIC;
GRANT CONNECT ON DATABASE headrace TO headrace;
\connect headrace
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO headrace_owner;
GRANT USAGE ON SCHEMA public TO headrace;
ALTER DEFAULT PRIVILEGES FOR ROLE headrace_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO headrace;
ALTER DEFAULT PRIVILEGES FOR ROLE headrace_owner IN SCHEMA public GRANT USAGE ON SEQUENCES TO headrace;
END
