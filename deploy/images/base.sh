#!/bin/bash
# Makes the base images under their official names where they cannot be pulled: Debian's by debootstrap, those with
# Node.js, PostgreSQL, Prometheus and Alertmanager from it. An image that is there, or can be pulled, is left as it is.
#
#   deploy/images/base.sh [build|compose|observability ...]      which ones; all by default
#
# The stand-ins trust the certificates of this machine, for networks that have their own; the suite's images
# take nothing of that. Needs root, debootstrap, and for the page Node.js on this machine.
set -euo pipefail
cd "$(dirname "$0")"
ENGINE=${ENGINE:-docker}
DEBIAN=debian:bookworm-slim

there() { $ENGINE image inspect "$1" >/dev/null 2>&1; }
# Whether an image is here, after a try to pull it.
got() {
  if there "$1"; then return 0; fi
  if timeout 300 $ENGINE pull -q "$1" >/dev/null 2>&1; then echo "$1: pulled"; return 0; fi
  echo "$1: cannot be pulled, made here"
  return 1
}

debian() {
  got "$DEBIAN" && return
  local root
  root=$(mktemp -d)
  trap 'rm -rf "$root"' RETURN
  debootstrap --variant=minbase --include=ca-certificates bookworm "$root/root" >"$root/log" 2>&1 \
    || { tail -5 "$root/log" >&2; return 1; }
  rm -rf "$root"/root/var/cache/apt/* "$root"/root/var/lib/apt/lists/* "$root"/root/usr/share/{man,locale}/*
  find "$root/root/usr/share/doc" -type f ! -name copyright -delete
  if [ -s /etc/ssl/certs/ca-certificates.crt ]; then
    cp /etc/ssl/certs/ca-certificates.crt "$root/root/etc/ssl/certs/"
  fi
  tar -C "$root/root" -c . | $ENGINE import --change 'CMD ["bash"]' - "$DEBIAN" >/dev/null
}

# A stand-in made from Debian's image by the Dockerfile in standins/$2.
standin() {
  got "$1" && return
  $ENGINE build -q -t "$1" "standins/$2" >/dev/null
}

with_node() {
  got node:20-bookworm-slim && return
  local context
  context=$(mktemp -d)
  trap 'rm -rf "$context"' RETURN
  mkdir -p "$context/bin"
  cp -L "$(type -P node)" "$context/bin/node"
  cp -a "$(dirname "$(readlink -f "$(type -P npm)")")/.." "$context/npm"
  cat >"$context/Dockerfile" <<-'EOF'
	FROM debian:bookworm-slim
	COPY bin/node /usr/local/bin/node
	COPY npm /usr/local/lib/node_modules/npm
	RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
	ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
	EOF
  $ENGINE build -q -t node:20-bookworm-slim "$context" >/dev/null
}

for set in "${@:-build compose observability}"; do
  for name in $set; do
    case $name in
    build) debian; with_node ;;
    compose) debian; standin postgres:17-bookworm postgres ;;
    observability)
      debian
      standin prom/prometheus:v3.5.0 prometheus
      standin prom/alertmanager:v0.28.1 alertmanager
      ;;
    *) echo "usage: $0 [build|compose|observability ...]" >&2; exit 2 ;;
    esac
  done
done
