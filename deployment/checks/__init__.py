"""What must hold of template.yaml, beyond what the linter and the scanner of `make check` say.

Each check reads one deployment and yields, in words, what is wrong with it.
"""

from collections.abc import Callable, Iterator

from local.cloudformation import Deployment

from ..observed import Observed
from . import functions, logs, metrics, permissions, routes, whole

Check = Callable[[Deployment, Observed], Iterator[str]]

CHECKS: tuple[Check, ...] = (
    functions.aliases,
    functions.dead_letters,
    functions.log_groups,
    functions.watched,
    logs.access_log,
    logs.queries,
    metrics.alarm_duties,
    metrics.alarm_metrics,
    metrics.alarm_topics,
    metrics.dashboard,
    metrics.missing_data,
    metrics.one_namespace,
    permissions.attributes,
    permissions.bounded,
    permissions.permissions,
    permissions.roles,
    routes.authorizers,
    routes.integrations,
    routes.outputs,
    whole.circles,
    whole.customer_key,
    whole.policies,
    whole.table,
)
