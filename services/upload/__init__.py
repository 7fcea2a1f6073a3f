"""Receives files from clients, stores them, and hands complete ones to the orchestrator."""
