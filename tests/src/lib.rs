//! Outer tests.
