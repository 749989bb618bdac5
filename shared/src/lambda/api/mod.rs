//! What the HTTP APIs of devices and of calls have in common: their events, who asks, and their answers.

pub mod answer;
pub mod event;
pub mod jwt;
