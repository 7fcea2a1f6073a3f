#!/bin/sh
# Prints the secrets that the pods need, with random values, for clusters without a store of secrets:
#
#   deploy/k8s/secrets.sh | kubectl apply -f -
#   DATABASE_ADMIN_URL=postgresql://admin:...@host/ingestor deploy/k8s/secrets.sh | kubectl apply -f -
#
# The second is for a PostgreSQL of yours; the first makes a password for that of the component `local`. Once: a
# second run makes other passwords, which count when the job `provision` has run again. To make only the key of
# receipts, for a suite that has none yet:
#
#   deploy/k8s/secrets.sh receipt-key | kubectl apply -f -
set -eu
NAMESPACE=${NAMESPACE:-ingestor}

random() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }
secret() { # name, then keys and values
  printf -- '---\napiVersion: v1\nkind: Secret\nmetadata: { name: %s, namespace: %s }\nstringData:\n' "$1" "$NAMESPACE"
  shift
  while [ $# -gt 0 ]; do
    printf '  %s: "%s"\n' "$1" "$2"
    shift 2
  done
}

receipt_key() { # 32 random bytes as an Ed25519 key in PEM, as a text of YAML
  key=$({ printf '\060\056\002\001\000\060\005\006\003\053\145\160\004\042\004\040'; head -c 32 /dev/urandom; } | base64)
  secret receipt-key receipt.pem "-----BEGIN PRIVATE KEY-----\\n$key\\n-----END PRIVATE KEY-----\\n"
}

if [ "${1:-}" = receipt-key ]; then
  receipt_key
  exit
fi
receipt_key
secret internal-keys keys "k1:$(random)"
if [ -n "${DATABASE_ADMIN_URL:-}" ]; then
  secret database-admin url "$DATABASE_ADMIN_URL"
else
  password=$(random)
  secret database-admin url "postgresql://postgres:$password@postgres:5432/ingestor" password "$password"
fi
for role in upload orchestrator processor status; do
  secret "database-$role" password "$(random)"
done
