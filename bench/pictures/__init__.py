"""Pictures of measurements, for the documentation."""
