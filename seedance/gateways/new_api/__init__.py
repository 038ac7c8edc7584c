"""new-api, the software behind several gateways: what they share, and an installation of your own."""
