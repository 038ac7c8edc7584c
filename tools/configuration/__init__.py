"""The reference of the configuration, docs/configuration.md, made from the settings themselves."""
