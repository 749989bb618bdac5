//! Every callback of every vendor: the one list.

use crate::door::{callback::Callback, route::Route};
use crate::line;
use crate::tencent;

impl Callback {
    /// The callbacks that become records.
    pub const ALL: [Self; 4] = [
        line::call_event::CALLBACK,
        line::group_call_event::CALLBACK,
        line::agent_call_status::CALLBACK,
        tencent::CALLBACK,
    ];
}

impl Route {
    /// The routes of all callbacks, in the order of the functions.
    pub const ALL: [&'static Self; 5] = {
        let [a, b, c, d] = Callback::ALL;
        [&line::NOTIFY, a.route, b.route, c.route, d.route]
    };

    /// The route of a callback, by its name.
    pub fn from_callback(callback: &str) -> Option<&'static Self> {
        Self::ALL.into_iter().find(|route| route.callback == callback)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_local_router_leads_to_the_same_functions() {
        let manifest = include_str!("../../../Cargo.toml");
        let (_, router) = manifest.split_once("[workspace.metadata.lambda.watch.router]\n").unwrap();
        let written: BTreeSet<&str> = router.lines().take_while(|line| line.starts_with('"')).collect();
        let line = |route: &Route| format!(r#""/{{token}}{}" = "{}""#, route.path, route.binary());
        let ours = Route::ALL.map(line);
        assert_eq!(written, ours.iter().map(String::as_str).collect());
    }
}
