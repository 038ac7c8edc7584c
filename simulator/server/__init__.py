"""The running simulator: HTTP, the calls of dialects, the files, callbacks, the ledger, and the controls."""
