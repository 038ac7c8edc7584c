"""The running simulator: HTTP, dialect calls, files, callbacks, the ledger, and the control API."""
