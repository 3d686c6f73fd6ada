//! The facade and the program: what people and agents touch, and the place where everything is joined.
//!
//! - [`cli`], [`commands`]: the command line. [`config`]: what is configured. [`connect`]: the clients it knows.
//! - [`playback`]: captures, tapes and Parquet through the engine. [`live`]: venues through it.
//! - [`engine`]: the engine's thread and the questions it answers. [`directory`]: instruments by key. [`members`]: their
//!   companies and indices.
//! - [`history`]: what was recorded, as it is asked for. [`past`]: the simulated market before that.
//! - [`bars`], [`expressions`]: what is worked out of both for one question.
//! - [`server`], [`tools`], [`wire`]: MCP. [`guard`], [`same_version`], [`listen`], [`connections`], [`json_rpc`],
//!   [`stdio`]: its transports.
//! - [`caller`], [`shares`], [`reads`], [`refusals`]: who asks, and how much at a time.
//! - [`data_folder`]: who owns a folder, and the bearer that opens it.
//! - [`metrics`], [`logs`]: what an operator sees of it.

#![allow(clippy::disallowed_types, reason = "its servers and clients share; the engine path denies it again")]

pub mod bars;
pub mod caller;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod connect;
pub mod connections;
pub mod data_folder;
pub mod directory;
pub mod engine;
pub mod expressions;
pub mod guard;
pub mod history;
pub mod holes;
pub mod json_rpc;
pub mod listen;
pub mod live;
pub mod logs;
pub mod members;
pub mod metrics;
pub mod past;
mod place;
pub mod playback;
pub mod reads;
pub mod refusals;
pub mod same_version;
pub mod server;
pub mod shares;
pub mod stdio;
pub mod streams;
mod tape_time;
pub mod tools;
pub mod waits;
pub mod wire;
