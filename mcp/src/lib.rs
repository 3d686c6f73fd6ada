//! The facade and the program: what people and agents touch, and the place where everything is joined.
//!
//! - [`cli`], [`commands`]: the command line. [`config`]: what is configured. [`connect`]: the clients it knows.
//! - [`playback`]: captures, tapes and Parquet through the engine. [`live`]: venues through it.
//! - [`engine`]: the engine's thread and the questions it answers. [`directory`]: instruments by key.
//! - [`server`], [`tools`], [`wire`]: MCP. [`guard`], [`listen`], [`stdio`]: its transports.
//! - [`data_folder`]: who owns a folder, and the bearer that opens it.

pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod connect;
pub mod data_folder;
pub mod directory;
pub mod engine;
pub mod guard;
pub mod listen;
pub mod live;
mod place;
pub mod playback;
pub mod server;
pub mod stdio;
pub mod tools;
pub mod wire;
