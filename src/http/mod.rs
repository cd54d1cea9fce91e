//! The read-only TCP endpoints and the unix socket of the running operator.
