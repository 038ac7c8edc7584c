"""kie.ai."""
