"""Breaks a running suite by a plan that follows from a seed, while files are loaded, and looks afterwards
whether any row was lost or loaded twice."""
