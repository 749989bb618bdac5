//! The functions of a deployment, and whether callbacks reach what was deployed last.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;

use crate::error::Stop;
use crate::place::{ALIAS, Deployed, Place};

/// A function as its alias has it, and as it was deployed last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) token_digests: Option<String>,
    /// The release that the alias leads to.
    pub(crate) release: String,
    /// In what the alias leads to something else than what was deployed last: names of variables, or `code`.
    pub(crate) differs: Vec<String>,
    pub(crate) state: String,
}

pub(crate) async fn functions(place: &Place, stack: &Deployed) -> Result<Vec<Function>, Stop> {
    let client = aws_sdk_lambda::Client::new(&place.config("LAMBDA"));
    let mut functions = Vec::new();
    for (logical, name) in stack.functions(place).await? {
        let doing = format!("read the function {name}");
        let newest = client.get_function_configuration().function_name(&name).send().await;
        let live = client.get_function_configuration().function_name(&name).qualifier(ALIAS).send().await;
        let (newest, live) = (newest.map_err(Stop::aws(&doing))?, live.map_err(Stop::aws(&doing))?);
        functions.push(Function {
            name: logical.trim_end_matches("Function").to_owned(),
            token_digests: variables(&live).remove("CALLBACK_TOKEN_SHA256"),
            release: live.description().unwrap_or("none").to_owned(),
            state: live.state().map_or("Active", |state| state.as_str()).to_owned(),
            differs: differences(&live, &newest),
        });
    }
    if functions.is_empty() { Err(Stop::new("the stack has no functions")) } else { Ok(functions) }
}

fn variables(of: &GetFunctionConfigurationOutput) -> BTreeMap<String, String> {
    let all = of.environment().and_then(|all| all.variables());
    all.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// In what two configurations differ. The values of variables are secrets, so only their names are told.
fn differences(
    live: &GetFunctionConfigurationOutput,
    newest: &GetFunctionConfigurationOutput,
) -> Vec<String> {
    let (old, new) = (variables(live), variables(newest));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut differs: Vec<String> =
        names.into_iter().filter(|name| old.get(*name) != new.get(*name)).cloned().collect();
    differs.extend((live.code_sha256() != newest.code_sha256()).then(|| "code".to_owned()));
    differs
}
