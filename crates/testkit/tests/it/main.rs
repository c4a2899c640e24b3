//! Journeys: real processes, real sockets, and what becomes of the work when one of them is killed.

mod commands;
mod journeys;
mod moving;
mod operator;
mod outage;
mod restore;
