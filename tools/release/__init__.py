"""What a release consists of: packages, inventory, checksums, signature. `make release` makes it; docs/releasing.md."""
