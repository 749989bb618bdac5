//! What the answers of the providers mean for the call.
