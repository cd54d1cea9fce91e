//! Puts the pieces together: the running operator, and a single look for the commands that only show.
