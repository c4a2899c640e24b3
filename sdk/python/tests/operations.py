"""Which operations of the document a list of requests has reached."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

WITHOUT_METHOD = {
    # For users in a browser, and administration.
    *("create_verification", "reset_password", "change_email", "confirm_email"),
    *("sign_up", "log_in", "log_out", "confirm_session", "get_session", "list_sessions", "delete_session", "delete_other_sessions"),
    *("get_me", "patch_me", "delete_me", "change_password", "list_workspaces", "create_workspace", "get_workspace", "patch_workspace"),
    *("delete_workspace", "list_members", "create_member", "patch_member", "delete_member", "list_invitations", "delete_invitation"),
    *("accept_invitation", "list_tokens", "create_token", "delete_token", "rotate_token", "list_audit_log", "get_instance"),
    *("get_signing_secret", "rotate_signing_secret"),
    # For dashboards.
    *("count_jobs", "get_jobs_activity", "get_forecast", "spread_forecast", "list_upcoming", "get_stats", "get_failures", "get_hosts"),
    *("get_usage", "get_job_baseline", "explain_job", "stream_executions", "list_time_zones", "get_execution_request"),
    *("list_job_versions", "get_job_version", "get_job_ledger", "get_ledger", "create_test", "get_test"),
    # For importers and bulk changes.
    *("convert_jobs", "import_jobs", "bulk_jobs", "bulk_executions"),
    # Secrets are set, whether they exist or not.
    *("create_secret", "get_secret"),
    # Notifications.
    *("list_channels", "create_channel", "get_channel", "patch_channel", "delete_channel", "test_channel"),
    *("list_rules", "create_rule", "patch_rule", "delete_rule", "list_notifications", "get_notification", "snooze_channel"),
    *("list_workspace_rules", "create_workspace_rule", "get_workspace_rule", "patch_workspace_rule", "delete_workspace_rule"),
    # Of the server itself.
    *("docs", "get_documentation_page", "livez", "overview", "openapi_3_0", "openapi", "list_problem_types", "get_problem_type"),
    *("readyz", "jobs_schema", "version"),
}


def operations(document: dict[str, Any], requests: Iterable[str]) -> set[str]:
    """The ids of the operations of requests such as `GET /v1/jobs?limit=2`."""
    found: set[str] = set()
    for request in requests:
        method, target = request.split(" ")
        path = target.partition("?")[0]
        # Of two paths that match, the one without parameters.
        matching = [known for known in document["paths"] if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", known), path)]
        known = min(matching, key=lambda known: known.count("{"))
        found.add(document["paths"][known][method.lower()]["operationId"])
    return found
