//! What follows from what happened: the facts to remember, and the status to publish. Pure.

mod conditions;
mod facts;
mod found;
mod verification;
mod view;

pub use facts::{account, ended, settle_in};
pub use found::found;
use view::About;
pub use view::{Inputs, view};
