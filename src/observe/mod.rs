//! Looking at the world: Docker and repositories. Publishes views; decides nothing.

pub mod docker;
pub mod outside;
pub mod repositories;
