#!/bin/sh
# Makes the cluster once, then is PostgreSQL. Options of the command go to the server, as in the official image.
set -eu
case ${1:-} in -*) set -- postgres "$@" ;; esac
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username=postgres --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust --auth-host=scram-sha-256 \
    --encoding=UTF8 >/dev/null
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
  if [ "${POSTGRES_DB:-postgres}" != postgres ]; then
    pg_ctl -s -w -o "-c listen_addresses=''" start
    psql -q -U postgres -c "CREATE DATABASE \"$POSTGRES_DB\""
    pg_ctl -s -w -m fast stop
  fi
fi
exec "$@"
