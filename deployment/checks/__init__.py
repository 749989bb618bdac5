"""What must hold of template.yaml. Each check reads one deployment and says in words what is wrong with it."""

from collections.abc import Callable

from ..observed import Observed
from ..transformed import Deployment
from . import functions, logs, metrics, permissions, routes, whole

Check = Callable[[Deployment, Observed], list[str]]

# Every check of one deployment.
CHECKS: tuple[Check, ...] = (
    whole.references,
    whole.circles,
    whole.table,
    whole.encryption,
    whole.key_policy,
    whole.queue_policies,
    metrics.one_namespace,
    metrics.alarm_metrics,
    metrics.alarm_results,
    metrics.alarm_duties,
    metrics.missing_data,
    metrics.alarm_topics,
    metrics.dashboard_metrics,
    metrics.dashboard_alarms,
    logs.retention,
    logs.access_log,
    logs.log_queries,
    permissions.roles,
    permissions.permissions,
    permissions.attributes,
    functions.log_groups,
    functions.trouble_alarms,
    functions.aliases,
    functions.callers,
    functions.dead_letters,
    functions.vain_tries,
    routes.integrations,
    routes.every_function_is_routed,
    routes.outputs,
)
