#!/bin/bash
# Builds the images of the suite and prints their sizes.
#
#   deploy/images/build.sh [upload orchestrator processor status web gateway admin emulator]     all by default
#
# ENGINE        docker (default) or podman
# TAG           tag of the images; default: dev
# BUILD_OPTIONS further options of `docker build`, such as --network host
set -euo pipefail
cd "$(dirname "$0")/../.."
ENGINE=${ENGINE:-docker}
TAG=${TAG:-dev}
IMAGES=${*:-upload orchestrator processor status web gateway admin emulator}

version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
source=${SOURCE:-$(git remote get-url origin 2>/dev/null || true)}
case $source in http://* | https://*) ;; *) source= ;; esac # a folder says nothing to others

for image in $IMAGES; do
  # shellcheck disable=SC2086 # options are words
  $ENGINE build -q ${BUILD_OPTIONS:-} -f deploy/images/Dockerfile --target "$image" -t "ingestor-$image:$TAG" \
    --build-arg VERSION="$version" --build-arg REVISION="$revision" --build-arg SOURCE="$source" . >/dev/null
  $ENGINE image inspect --format '{{.Size}}' "ingestor-$image:$TAG" \
  | awk -v name="ingestor-$image:$TAG" '{ printf "%-28s %6.0f MB\n", name, $1 / 1e6 }'
done
