//! Entry point.

fn main() {
    let _ = ringback::history::SHARDS;
}
