//! Writes every case as a whole event into `target/cases/`.

fn main() -> Result<(), ringback_cases::Wrong> {
    let folder = ringback_cases::write()?;
    println!("{}", folder.display());
    Ok(())
}
