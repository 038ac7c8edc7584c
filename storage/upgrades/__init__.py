"""Upgrades of the schema while everything runs."""
