//! Carrying out what a plan says. Returns outcomes; writes no status, has no choices left.
