//! Every metric, once: its name, its kind, its labels and what it says.
//!
//! Rules: base units; `_timestamp_seconds` for instants, never "time since"; `_total` for counters; a series is there
//! from the moment its policy is loaded, says the worst until the better is proven, and goes with its policy. No label
//! is called like one that Prometheus gives to a target (`job`, `instance`, `namespace`).

/// What a metric does over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only goes up, until the state directory is lost.
    Counter,
}

/// One metric.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, with the prefix.
    pub name: &'static str,
    /// What it does over time.
    pub kind: Kind,
    /// The names of its labels, in the order of a sample's values.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
    /// Its place in [`ALL`].
    pub place: usize,
}

macro_rules! metrics {
    ($($id:ident $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "named as the metrics are, to count them")]
        enum Place { $($id),* }
        $(
            #[doc = $help]
            pub static $id: Metric = Metric {
                name: concat!("seawall_", $name), kind: Kind::$kind, labels: &[$($label),*], help: $help,
                place: Place::$id as usize,
            };
        )*
        /// All of them, in the order of the exposition.
        pub static ALL: &[&Metric] = &[$(&$id),*];
    };
}

metrics! {
    BACKUP_LAST_SUCCESS Gauge "backup_last_success_timestamp_seconds" ["policy", "source"]
        "Recovery point: when the newest complete snapshot was begun that is in every repository of the policy. 0 before the first.";
    BACKUP_DEADLINE Gauge "backup_deadline_timestamp_seconds" ["policy", "source"]
        "The instant from which the source is overdue. Absent while the policy is suspended.";
    BACKUP_FIRST_SEEN Gauge "backup_first_seen_timestamp_seconds" ["policy", "source"]
        "When the source was first seen under its policy.";
    BACKUP_NEXT_RUN Gauge "backup_next_run_timestamp_seconds" ["policy", "source"]
        "When the next backup begins. Absent when none is planned.";
    BACKUP_LAST_RUN Gauge "backup_last_run_timestamp_seconds" ["policy", "source"]
        "When the newest backup run ended, however it ended. 0 before the first.";
    BACKUP_LAST_RUN_SUCCESSFUL Gauge "backup_last_run_successful" ["policy", "source"]
        "Whether the newest backup run into every repository was a success. 0 before the first.";
    RUNS Counter "runs_total" ["policy", "operation", "result"]
        "Runs that ended. A repository's own runs have its name after an @ as their policy.";
    RUN_IN_PROGRESS Gauge "run_in_progress" ["policy", "operation"]
        "Runs that are under way.";
    RUN_START Gauge "run_start_timestamp_seconds" ["policy", "operation"]
        "When the oldest run that is under way began. 0 while none is.";
    RUN_TIMEOUT Gauge "run_timeout_seconds" ["policy"]
        "After how long a run is ended as a failure.";
    MISSED_SLOTS Counter "missed_slots_total" ["policy"]
        "Slots of the schedule that no run answered.";
    OBJECTIVE_RPO Gauge "objective_rpo_seconds" ["policy"]
        "The promised recovery point. Absent when none is promised.";
    OBJECTIVE_RTO Gauge "objective_rto_seconds" ["policy"]
        "The promised recovery time. Absent when none is promised.";
    SNAPSHOTS Gauge "snapshots" ["policy", "source", "repository"]
        "Snapshots in the repository, partial ones included. 0 until it could be listed.";
    SNAPSHOT_BYTES Gauge "snapshot_bytes" ["policy", "source", "repository"]
        "Bytes of the files in the newest complete snapshot. 0 until there is one.";
    RETENTION_HELD Gauge "retention_held" ["policy", "source", "repository"]
        "Whether snapshots that no rule keeps are held back from removal.";
    DRILL_LAST_SUCCESS Gauge "drill_last_success_timestamp_seconds" ["policy", "source"]
        "When the newest drill that passed ended. 0 before the first. Absent where no drill is scheduled.";
    DRILL_DEADLINE Gauge "drill_deadline_timestamp_seconds" ["policy", "source"]
        "The instant from which the drill is overdue. Absent where none is scheduled, and while the policy is suspended.";
    DRILL_LAST_RUN Gauge "drill_last_run_timestamp_seconds" ["policy", "source"]
        "When the newest drill ended that was not ended from outside. 0 before the first.";
    DRILL_LAST_RUN_SUCCESSFUL Gauge "drill_last_run_successful" ["policy", "source"]
        "Whether that drill passed. 0 before the first.";
    RESTORE_DRILL_DURATION Gauge "restore_drill_duration_seconds" ["policy", "source"]
        "From the order to the last check, in the newest drill that passed. 0 before the first.";
    SELECTOR_UNMATCHED Gauge "selector_unmatched" ["policy"]
        "Whether the policy matches no volume of this host, so that it protects nothing.";
    QUIESCE_DURATION Gauge "quiesce_duration_seconds" ["policy", "source"]
        "How long the application stood still in the newest window. 0 before the first. Absent where the policy does not quiesce.";
    POLICY_SUSPENDED Gauge "policy_suspended" ["policy"]
        "Whether a person suspended the policy.";
    POLICY_SUSPENDED_SINCE Gauge "policy_suspended_since_timestamp_seconds" ["policy"]
        "Since when the policy is suspended. Absent while it is not.";
    POLICY_INFO Gauge "policy_info" ["policy", "kind", "criticality", "revision"]
        "Always 1: what kind of source the policy has, how critical it is, and the git commit that it was read at.";
    PROVIDER_NEWEST Gauge "provider_backup_newest_timestamp_seconds" ["policy", "provider", "database"]
        "Of when the newest backup is that the provider of a database can restore, as last told. 0 before it was told.";
    PROVIDER_DEADLINE Gauge "provider_backup_deadline_timestamp_seconds" ["policy", "provider", "database"]
        "The instant from which the provider's newest backup is too old. Absent while the policy is suspended.";
    PROVIDER_SUCCESSFUL Gauge "provider_backup_successful" ["policy", "provider", "database"]
        "Whether the provider lists a restorable backup and no newer one that failed, and the database, where it is asked, can archive. 0 while that is not known.";
    PROVIDER_CHECK_SUCCESSFUL Gauge "provider_check_successful" ["policy", "provider", "database"]
        "Whether the newest look at the provider's backups learnt something. 0 before the first.";
    PROVIDER_CHECK_LAST_SUCCESS Gauge "provider_check_last_success_timestamp_seconds" ["policy", "provider", "database"]
        "When a look at the provider's backups last learnt something. 0 before the first.";
    BUCKET_PROTECTED Gauge "bucket_protected" ["policy", "bucket"]
        "Whether the provider protects what is in the bucket as the policy asks. 0 while that is not known.";
    BUCKET_CHECK_SUCCESSFUL Gauge "bucket_check_successful" ["policy", "bucket"]
        "Whether the newest look at the bucket told whether it is protected. 0 before the first.";
    BUCKET_CHECK_LAST_SUCCESS Gauge "bucket_check_last_success_timestamp_seconds" ["policy", "bucket"]
        "When a look at the bucket last told whether it is protected. 0 before the first.";
    REPOSITORY_HEALTHY Gauge "repository_healthy" ["repository"]
        "Whether the repository can be opened and listed, and no check has found it damaged. 0 before the first look.";
    REPOSITORY_CHECK_LAST_SUCCESS Gauge "repository_check_last_success_timestamp_seconds" ["repository"]
        "When the newest check that found nothing wrong ended. 0 before the first. Absent where no check is scheduled.";
    REPOSITORY_CHECK_DEADLINE Gauge "repository_check_deadline_timestamp_seconds" ["repository"]
        "The instant from which the check is overdue. Absent where none is scheduled.";
    REPOSITORY_KEY_EXPORTED Gauge "repository_key_exported" ["repository"]
        "Whether the key is in a person's hands: given by one, or made by Seawall and exported since.";
    VOLUME_COVERAGE Gauge "volume_coverage" ["state"]
        "Volumes of this host, by whether a policy backs them up, exempts them, or does not speak of them.";
    QUIESCED_CONTAINERS Gauge "quiesced_containers" []
        "Containers and services that Seawall made stand still and has not yet seen back.";
    QUIESCE_DEADLINE Gauge "quiesce_deadline_timestamp_seconds" []
        "By when the first of them has to be back. 0 while none stands still.";
    RESTORE_UNDO_BYTES Gauge "restore_undo_bytes" []
        "Bytes that hold what restores replaced, on this host's disks and in databases, until a person or their time removes them.";
    POLICY_FILE_VALID Gauge "policy_file_valid" ["file"]
        "Whether the policy file has no error. While it has, what was last accepted from it stays in force.";
    CONFIG_LAST_RELOAD_SUCCESSFUL Gauge "config_last_reload_successful" []
        "Whether the newest load of the policies directory had no error.";
    CONFIG_LAST_RELOAD_SUCCESS Gauge "config_last_reload_success_timestamp_seconds" []
        "When a load of the policies directory last had no error. 0 before the first.";
    CONFIG_RELOADS Counter "config_reloads_total" ["result"]
        "Loads of the policies directory that changed something, since the process began.";
    WATCH_DEGRADED Gauge "watch_degraded" []
        "Whether changes of the policies directory are only seen by the periodic rescan.";
    RECONCILE_LAST_SUCCESS Gauge "reconcile_last_success_timestamp_seconds" []
        "When the last pass through the loop ended well. 0 before the first.";
    RECONCILES Counter "reconciles_total" []
        "Passes through the loop since the process began.";
    STATE_WRITE_OK Gauge "state_write_ok" []
        "Whether the state directory takes what is to be remembered.";
    DOCKER_UP Gauge "docker_up" []
        "Whether the Docker engine answers.";
    BUILD_INFO Gauge "build_info" ["version", "revision"]
        "Always 1: the program, and the git commit that it was built from.";
}
