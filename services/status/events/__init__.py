"""The log of events: who follows it, and who publishes it."""
