//! Facts and views after something happened.
