#!/bin/sh
# Runs in build stages. `packages` installs /requirements.txt into the environment /opt/ingestor; `suite` puts
# the wheel of /wheel alone below /suite.
set -eu
site=lib/python3.11/site-packages
compile() { python3 -m compileall -q --invalidation-mode unchecked-hash -s "${2:-/}" -p / "$1"; }

case $1 in
packages)
  pip --python /opt/ingestor/bin/python install --quiet --require-hashes --no-deps --no-compile -r /requirements.txt
  python3 /prune.py "/opt/ingestor/$site"
  compile "/opt/ingestor/$site"
  # Programs of packages; the suite brings its own.
  find /opt/ingestor/bin -mindepth 1 ! -name 'python*' ! -name ministack -delete
  ;;
suite)
  pip --python /opt/ingestor/bin/python install --quiet --no-deps --no-compile --force-reinstall /wheel/*.whl
  rm -rf /suite
  mkdir -p "/suite/$site" /suite/bin
  cp -a "/opt/ingestor/$site/ingestor" "/opt/ingestor/$site"/data_ingestor-*.dist-info "/suite/$site/"
  cp -a /opt/ingestor/bin/ingestor /suite/bin/
  [ -z "${WITHOUT_PAGE:-}" ] || rm -rf "/suite/$site/ingestor/web/built"
  compile "/suite/$site" /suite/
  ;;
esac
