#!/bin/bash
# Writes what is in each image as CycloneDX 1.6 (JSON): the Python packages with their hashes of the lock, licences
# and versions, as cyclonedx-py reads them in the image itself, and Debian's packages.
#
#   deploy/images/sbom.sh [upload orchestrator ...]      into build/sbom/<image>.cdx.json
set -euo pipefail
cd "$(dirname "$0")/../.."
ENGINE=${ENGINE:-docker}
TAG=${TAG:-dev}
PYTHON=${PYTHON:-.venv/bin/python}
mkdir -p build/sbom

for image in ${*:-upload orchestrator processor status web gateway admin emulator}; do
  folder=$(mktemp -d)
  container=$($ENGINE create "ingestor-$image:$TAG")
  $ENGINE cp "$container:/opt/ingestor/lib/python3.11/site-packages" "$folder/packages" >/dev/null
  $ENGINE cp "$container:/var/lib/dpkg/status.d" "$folder/debian" >/dev/null
  $ENGINE rm "$container" >/dev/null
  $PYTHON deploy/images/sbom.py "ingestor-$image" "$folder/packages" "$folder/debian" "build/sbom/ingestor-$image.cdx.json"
  rm -rf "$folder"
done
