//! The product from outside: the built binary on generated and captured data, and the rules of the tree.

mod binary;
mod cases;
mod client;
mod conversation;
mod generated;
mod keeping;
mod layout;
mod live;
mod load;
mod observing;
mod program;
mod readme;
mod recording;
mod refusals;
mod replaying;
mod serving;
mod stdio_client;
mod storing;
mod succession;
mod taking_over;
mod unusual;
mod waiting;
mod wrong_clock;
