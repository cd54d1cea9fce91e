//! The loop with hand-made edges, on paused time.

mod rig;
mod runs;
mod world;
