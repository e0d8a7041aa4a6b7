"""Statements that OmniSQL carries out itself: sources and credentials, procedures, maintenance."""
