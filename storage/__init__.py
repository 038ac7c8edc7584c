"""Everything that must survive: settings, tables, the state machine, all job SQL, all S3."""
