//! What stands before anything that cannot be taken back.

use std::io::{IsTerminal, Write};

use crate::error::Stop;

/// Asks for a name to be typed, or takes what `--yes` gave; stops at another one.
pub(crate) fn confirm(name: &str, what: &str, given: Option<&str>) -> Result<(), Stop> {
    let typed = match given {
        Some(given) => given.to_owned(),
        None if std::io::stdin().is_terminal() => {
            eprint!("Type {what} to continue ({name}): ");
            std::io::stderr().flush()?;
            let mut typed = String::new();
            std::io::stdin().read_line(&mut typed)?;
            typed.trim().to_owned()
        }
        None => return Err(Stop::new(format!("nothing was changed: add --yes '{name}' if you mean it"))),
    };
    if typed == name {
        return Ok(());
    }
    let typed = if typed.is_empty() { "nothing" } else { typed.as_str() };
    Err(Stop::new(format!("nothing was changed: {typed} is not {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_name_confirms() {
        assert_eq!(confirm("mine", "the stack's name", Some("mine")), Ok(()));
        for other in ["", "Mine", "theirs", "yes"] {
            let error = confirm("mine", "the stack's name", Some(other)).unwrap_err().to_string();
            assert!(error.starts_with("nothing was changed"), "{error}");
        }
    }
}
