"""new-api, as the simulator reads its documents."""
