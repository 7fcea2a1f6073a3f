#!/bin/sh
# Makes the passwords and keys of a suite, once: files in deploy/compose/secrets, which only you can enter. In
# containers they are read by other users, so the files themselves are readable.
set -eu
folder=${1:-$(dirname "$0")/secrets}
umask 077
mkdir -p "$folder"
chmod 700 "$folder"

random() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }
# 32 random bytes as an Ed25519 key in PEM: what `openssl genpkey -algorithm ed25519` makes.
ed25519() {
  echo '-----BEGIN PRIVATE KEY-----'
  { printf '\060\056\002\001\000\060\005\006\003\053\145\160\004\042\004\040'; head -c 32 /dev/urandom; } | base64
  echo '-----END PRIVATE KEY-----'
}
make() {
  [ -s "$folder/$1" ] && return
  printf %s "$2" >"$folder/$1"
  chmod 444 "$folder/$1"
  echo "made $folder/$1"
}

make internal_keys "k1:$(random)"
make receipt_key "$(ed25519)"
for role in admin upload orchestrator processor status; do
  make "${role}_password" "$(random)"
done
make admin_url "postgresql://postgres:$(cat "$folder/admin_password")@postgres:5432/ingestor"
