//! The command `pycow` of the wheel: where the plugin is, putting it somewhere, and what it says of a
//! configuration before a restart does.

mod check;
mod command;
mod ini;
mod install;
mod loading;
