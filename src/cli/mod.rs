//! The command line: what it accepts, and how it prints.
