"""The dashboards: each answers a question. `python -m deploy.observability.dashboards` writes them as JSON."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.observability.dashboards.panels import bars, board, curve, note, now, stack

_STAGE = "sum by (stage) (rate(ingestor_batch_stage_seconds_sum{$suite}[$__rate_interval]))"
_BATCHES = 'sum(rate(ingestor_batch_stage_seconds_count{$suite, stage="report"}[$__rate_interval]))'
_AWS = "increase(ingestor_aws_requests_total{$suite}[$__range])"


def _quantile(share: float, histogram: str, by: str, selector: str = "$suite") -> str:
    rate = f"rate({histogram}_bucket{{{selector}}}[$__rate_interval])"
    return f"histogram_quantile({share}, sum by (le, {by}) ({rate}))"


def where() -> Dashboard:
    """Where is my file?"""
    return board("where", "where is my file", "How far are the files that run, and where do they wait?", [
        now("Files running", "Processes that have not ended.", {"": "sum(max by (state) (ingestor_processes_running{$suite}))"}),
        now("Oldest batch", "How long ago the oldest batch without an outcome was sent.", {"": "max(ingestor_oldest_batch_age_seconds{$suite})"}, unit="s"),
        now("Oldest delivery", "How long a complete file has waited to be read.", {"": "max(ingestor_oldest_delivery_age_seconds{$suite})"}, unit="s"),
        now("Rows per second", "Rows that got their outcome.", {"": "sum(rate(ingestor_rows_total{$suite}[$__rate_interval]))"}),
        now("Failed rows", "Share of the rows that failed.", {"": 'sum(rate(ingestor_rows_total{$suite, state="failed"}[$__rate_interval])) / sum(rate(ingestor_rows_total{$suite}[$__rate_interval]))'}, unit="percentunit"),
        now("Dead letters", "Batches that were given up.", {"": 'sum(increase(ingestor_dead_letters_total{$suite, kind="batch"}[$__range]))'}),
        note("One file", "This is about all files together. Of one file the page and `ingestor status PROCESS` know everything; its trace (find it by `ingestor.process_id`) has each batch."),
        curve("Files by state", "PENDING: not read yet. DISPATCHING: being read and loaded. PROCESSING: read, being loaded.", {"{{state}}": "max by (state) (ingestor_processes_running{$suite})"}),
        curve("Complete files on their way", "sending: being read by the orchestrator. waiting: for a place, or for a new attempt.", {"{{state}}": "max by (state) (ingestor_deliveries_open{$suite})"}),
        curve("Batches", "Without an outcome; in the queue; held by processors.", {
            "without an outcome": "max(ingestor_batches_waiting{$suite})",
            "in the queue": 'max(ingestor_queue_messages{$suite, queue="rows", state="visible"})',
            "in work": 'sum(ingestor_messages_in_work{$suite, queue="rows"})',
        }),
        curve("Ages", "How long the oldest has waited.", {
            "batch": "max(ingestor_oldest_batch_age_seconds{$suite})",
            "delivery": "max(ingestor_oldest_delivery_age_seconds{$suite})",
            "event": "max(ingestor_oldest_event_age_seconds{$suite})",
        }, unit="s"),
        stack("Rows", "Outcomes per second.", {"{{state}}": "sum by (state) (rate(ingestor_rows_total{$suite}[$__rate_interval]))"}, unit="rowsps"),
        curve("Bytes", "Received from clients, and read by the orchestrator.", {
            "received": "sum(rate(ingestor_bytes_received_total{$suite}[$__rate_interval]))",
            "read": "sum(rate(ingestor_bytes_read_total{$suite}[$__rate_interval]))",
        }, unit="Bps"),
    ])  # fmt: skip


def why() -> Dashboard:
    """Why is it slow?"""
    return board("why", "why is it slow", "In which stage do batches and files spend their time?", [
        stack("Stages of a batch", "Seconds that the average batch is in each stage. `queue`: it waits for a processor. `copy`, `load`, `commit`: the database. `fetch`: file store and status.", {"{{stage}}": f"{_STAGE} / on () group_left () {_BATCHES}"}, unit="s", width=24),
        curve("Slowest batches", "95 of 100 batches are not longer in the stage.", {"{{stage}}": _quantile(0.95, "ingestor_batch_stage_seconds", "stage")}, unit="s"),
        curve("What does not answer", "Calls that were repeated, per second.", {"{{role}}: {{what}}": "sum by (role, what) (rate(ingestor_retries_total{$suite}[$__rate_interval]))"}),
        curve("Converting files", "95 of 100 programs that read a file did not take longer.", {"{{purpose}}": _quantile(0.95, "ingestor_converter_seconds", "purpose")}, unit="s"),
        curve("Memory of converters", "The largest, of 100 programs that read a file.", {"{{purpose}}": _quantile(0.99, "ingestor_converter_peak_memory_bytes", "purpose")}, unit="bytes"),
        curve("Slow calls", "99 of 100 calls do not take longer; streams apart.", {"{{method}}": _quantile(0.99, "grpc_server_handling_seconds", "method", '$suite, method!~".*(Watch|WriteUpload|DownloadReport|IngestFile|DryRun).*"')}, unit="s"),
        curve("Lag of the loops", "99 of 100 times a process is not later than that with what is due.", {"{{role}} {{instance}}": _quantile(0.99, "ingestor_event_loop_lag_seconds", "role, instance")}, unit="s"),
        curve("Dry runs", "Open dry runs, and places for them.", {
            "open": "sum(ingestor_dry_runs_open{$suite})",
            "places": "sum(ingestor_dry_run_places{$suite})",
        }),
        curve("Batches sent again", "Why batches were sent that were not sent for the first time.", {"{{why}}": 'sum by (why) (rate(ingestor_batches_sent_total{$suite, why!="first"}[$__rate_interval]))'}),
    ])  # fmt: skip


def cost() -> Dashboard:
    """What does it cost?"""
    return board("cost", "what does it cost", "How much CPU, memory, storage and how many requests does it take?", [
        now("Rows", "Rows with an outcome in the time shown.", {"": "sum(increase(ingestor_rows_total{$suite}[$__range]))"}),
        now("CPU seconds", "Of all services, in the time shown.", {"": 'sum(increase(process_cpu_seconds_total{$suite, job="ingestor"}[$__range]))'}, unit="s"),
        now("CPU per million rows", "Seconds of one core.", {"": '1e6 * sum(increase(process_cpu_seconds_total{$suite, job="ingestor"}[$__range])) / sum(increase(ingestor_rows_total{$suite}[$__range]))'}, unit="s"),
        now("Requests to AWS", "In the time shown.", {"": f"sum({_AWS})"}),
        now("Requests per batch", "SQS and S3 together.", {"": f"sum({_AWS}) / sum(increase(ingestor_batch_outcomes_total{{$suite}}[$__range]))"}),
        now("Stored", "Bytes in the file store.", {"": "sum(max by (tenant) (ingestor_tenant_stored_bytes{$suite}))"}, unit="bytes"),
        stack("CPU", "Cores in use, by role.", {"{{role}}": 'sum by (role) (rate(process_cpu_seconds_total{$suite, job="ingestor"}[$__rate_interval]))'}),
        stack("Memory", "Resident memory, by role.", {"{{role}}": 'sum by (role) (process_resident_memory_bytes{$suite, job="ingestor"})'}, unit="bytes"),
        stack("Requests to AWS", "Per second. SQS charges by requests (and by 64 KiB of a message), S3 by requests and bytes.", {"{{service}} {{operation}}": "sum by (service, operation) (rate(ingestor_aws_requests_total{$suite}[$__rate_interval]))"}, unit="reqps"),
        curve("Disks", "Free space of the disks with the file store and with temporary files.", {"{{folder}}": "min by (folder) (ingestor_disk_free_bytes{$suite})"}, unit="bytes"),
    ])  # fmt: skip


def who() -> Dashboard:
    """Who fills the queue?"""
    return board("who", "who fills the queue", "Which tenants have what waits, is loaded and is stored?", [
        bars("Batches that wait", "Without an outcome, of the ten tenants with most.", {"{{tenant}}": "topk(10, max by (tenant) (ingestor_tenant_batches_waiting{$suite}))"}),
        bars("Stored bytes", "Files and conversions, of the ten tenants with most.", {"{{tenant}}": "topk(10, max by (tenant) (ingestor_tenant_stored_bytes{$suite}))"}, unit="bytes"),
        stack("Batches that wait", "Over time.", {"{{tenant}}": "max by (tenant) (ingestor_tenant_batches_waiting{$suite})"}),
        stack("Rows", "Outcomes per second.", {"{{tenant}}": "sum by (tenant) (rate(ingestor_tenant_rows_total{$suite}[$__rate_interval]))"}, unit="rowsps"),
        curve("Failed rows", "Share of the rows of a tenant.", {"{{tenant}}": 'sum by (tenant) (rate(ingestor_tenant_rows_total{$suite, state="failed"}[$__rate_interval])) / sum by (tenant) (rate(ingestor_tenant_rows_total{$suite}[$__rate_interval]))'}, unit="percentunit"),
        curve("Quotas", "Calls refused and files paused by a quota, per second.", {
            "refused: {{quota}}": "sum by (quota) (rate(ingestor_quota_refusals_total{$suite}[$__rate_interval]))",
            "paused: {{quota}}": "sum by (quota) (rate(ingestor_quota_pauses_total{$suite}[$__rate_interval]))",
        }),
    ])  # fmt: skip


def gateway() -> Dashboard:
    """The gateway."""
    return board("gateway", "gateway", "What do clients ask, and what are they told?", [
        now("Calls", "Per second, at the services.", {"": 'sum(rate(grpc_server_handled_total{$suite, method=~"/ingestor\\\\.v1\\\\..*"}[$__rate_interval]))'}, unit="reqps"),
        now("Failed by the suite's fault", "In the last hour; the objective is 0.1 %.", {"": "max(ingestor:api_failed:ratio_rate1h{$suite})"}, unit="percentunit"),
        now("Connections", "Of clients.", {"": 'sum(envoy_http_downstream_cx_active{$suite, envoy_http_conn_manager_prefix="gateway"})'}),
        curve("Calls", "Per second, by method.", {"{{method}}": 'sum by (method) (rate(grpc_server_handled_total{$suite, method=~"/ingestor\\\\.v1\\\\..*"}[$__rate_interval]))'}, unit="reqps"),
        curve("Errors", "Calls per second that did not end with OK, by code.", {"{{code}}": 'sum by (code) (rate(grpc_server_handled_total{$suite, method=~"/ingestor\\\\.v1\\\\..*", code!="OK"}[$__rate_interval]))'}, unit="reqps"),
        curve("Requests at Envoy", "Per second, by the class of HTTP's status; errors of gRPC are 200.", {"{{envoy_response_code_class}}xx": 'sum by (envoy_response_code_class) (rate(envoy_http_downstream_rq_xx{$suite, envoy_http_conn_manager_prefix="gateway"}[$__rate_interval]))'}, unit="reqps"),
        curve("Healthy instances", "That the gateway sends calls to.", {"{{envoy_cluster_name}}": "min by (envoy_cluster_name) (envoy_cluster_membership_healthy{$suite})"}),
        curve("Repeated and failed at Envoy", "Per second, by service.", {
            "repeated: {{envoy_cluster_name}}": "sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_rq_retry{$suite}[$__rate_interval]))",
            "timed out: {{envoy_cluster_name}}": "sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_rq_timeout{$suite}[$__rate_interval]))",
            "no connection: {{envoy_cluster_name}}": "sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_cx_connect_fail{$suite}[$__rate_interval]))",
        }, unit="reqps"),
        curve("Refused", "Calls per second without a valid token or the right role.", {"{{reason}}": "sum by (reason) (rate(ingestor_calls_refused_total{$suite}[$__rate_interval]))"}, unit="reqps"),
        curve("In flight", "Calls that are being answered; streams too.", {"{{method}}": "sum by (method) (grpc_server_calls_in_flight{$suite}) > 0"}),
        curve("Bytes", "To and from clients, per second.", {
            "in": 'sum(rate(envoy_http_downstream_cx_rx_bytes_total{$suite, envoy_http_conn_manager_prefix="gateway"}[$__rate_interval]))',
            "out": 'sum(rate(envoy_http_downstream_cx_tx_bytes_total{$suite, envoy_http_conn_manager_prefix="gateway"}[$__rate_interval]))',
        }, unit="Bps"),
    ])  # fmt: skip


def database() -> Dashboard:
    """The database."""
    return board("database", "database", "Are there enough connections, and does the server keep up?", [
        curve("Connections in use", "By role; of them all, the most that may be.", {
            "{{role}}": 'sum by (role) (ingestor_database_pool_connections{$suite, state="in_use"})',
            "most: {{role}}": "sum by (role) (ingestor_database_pool_max_connections{$suite})",
        }),
        curve("Waiting for a connection", "Calls, by role.", {"{{role}}": "sum by (role) (ingestor_database_pool_waiting_calls{$suite})"}),
        curve("How long they wait", "99 of 100 calls do not wait longer for a connection.", {"{{role}}": _quantile(0.99, "ingestor_database_pool_wait_seconds", "role")}, unit="s"),
        curve("Load, copy, commit", "Seconds per second that all processors together spend there.", {"{{stage}}": 'sum by (stage) (rate(ingestor_batch_stage_seconds_sum{$suite, stage=~"load|copy|commit"}[$__rate_interval]))'}, unit="s"),
        curve("Clocks", "How far services are ahead of the database.", {"{{role}} {{instance}}": "ingestor_clock_skew_seconds{$suite}"}, unit="s"),
        curve("Measurements that fail", "Per second.", {"{{role}}: {{sample}}": "sum by (role, sample) (rate(ingestor_samples_failed_total{$suite}[$__rate_interval]))"}),
        note("The server itself", "With postgres_exporter beside the database its own dashboards show locks, I/O, replication and the size of tables."),
    ])  # fmt: skip


BOARDS = (where, why, cost, who, gateway, database)
