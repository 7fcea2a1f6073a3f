"""gRPC servers and channels: interceptors, health, reflection."""
