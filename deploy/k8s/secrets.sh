#!/bin/sh
# Prints the secrets that the pods need, with random values, for clusters without a store of secrets:
#
#   deploy/k8s/secrets.sh | kubectl apply -f -
#
# Once: a second run makes other passwords, which count when the job `provision` has run again.
set -eu
NAMESPACE=${NAMESPACE:-ingestor}

random() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }
secret() { # name key value
  printf -- '---\napiVersion: v1\nkind: Secret\nmetadata: { name: %s, namespace: %s }\nstringData: { %s: "%s" }\n' \
    "$1" "$NAMESPACE" "$2" "$3"
}

secret internal-keys keys "k1:$(random)"
for role in admin upload orchestrator processor status; do
  secret "database-$role" password "$(random)"
done
