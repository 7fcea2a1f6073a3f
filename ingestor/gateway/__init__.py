"""The gateway's configuration: gateway/envoy.yaml, and what the settings add to it."""
