//! The server's settings as `system_views.settings` shows them: by the names Cassandra has for the same thing, values
//! in Cassandra's form, and by names of our own where it has none.

use std::collections::BTreeMap;
use std::time::Duration;

use ilium_embedded::EngineOptions;
use ilium_embedded::storage::Durability;
use ilium_native::Options;
use ilium_server::ListenOptions;

/// What the engine, the listener and the API run with.
pub fn settings(
    engine: &EngineOptions,
    listener: &ListenOptions,
    api: &Options,
    speaks_tls: bool,
) -> BTreeMap<String, String> {
    let storage = &engine.storage;
    let folder = engine.folder.as_ref().map_or_else(String::new, |folder| folder.display().to_string());
    let request_time = time(api.request_timeout);
    let (sync, sync_period) = match storage.durability {
        Durability::Group => ("group", None),
        Durability::Periodic { every } => ("periodic", Some(time(every))),
    };
    let (authenticator, authorizer) = match engine.login {
        Some(_) => ("PasswordAuthenticator", "CassandraAuthorizer"),
        None => ("AllowAllAuthenticator", "AllowAllAuthorizer"),
    };
    let mut settings: Vec<(&str, String)> = vec![
        ("authenticator", authenticator.to_owned()),
        ("authenticator.class_name", authenticator.to_owned()),
        ("authorizer", authorizer.to_owned()),
        ("authorizer.class_name", authorizer.to_owned()),
        ("batch_size_fail_threshold", size(api.max_batch_bytes as u64)),
        ("cas_contention_timeout", request_time.clone()),
        ("client_encryption_options.enabled", speaks_tls.to_string()),
        ("client_encryption_options_enabled", speaks_tls.to_string()),
        ("commitlog_segment_size", size(u64::from(storage.segment_bytes))),
        ("commitlog_sync", sync.to_owned()),
        ("commitlog_total_space", size(storage.log_bytes)),
        ("compaction_throughput", format!("{}/s", size(storage.compaction_bytes_per_second))),
        ("data_file_directories", format!("[{folder}]")),
        ("file_cache_size", size(storage.cache_bytes as u64)),
        ("max_mutation_size", size(storage.batch_bytes as u64)),
        ("memtable_heap_space", size(storage.memory_bytes as u64)),
        ("native_transport_max_concurrent_connections", listener.max_connections.to_string()),
        ("native_transport_max_frame_size", size(u64::from(api.max_frame))),
        ("native_transport_max_request_data_in_flight", size(api.max_arriving as u64)),
        ("prepared_statements_cache_size", size(api.max_prepared_text as u64)),
        ("range_request_timeout", request_time.clone()),
        ("read_request_timeout", request_time.clone()),
        ("request_timeout", request_time.clone()),
        ("write_request_timeout", request_time),
        ("ilium_client_patience", time(api.patience)),
        ("ilium_free_space_reserve", size(storage.reserve_bytes)),
        ("ilium_in_memory", engine.folder.is_none().to_string()),
        ("ilium_max_failed_logins", api.max_failed_logins.to_string()),
        ("ilium_max_batch_statements", api.max_batch_statements.to_string()),
        ("ilium_max_page_size", size(api.max_page_bytes as u64)),
        ("ilium_max_prepared_statements", api.max_prepared_statements.to_string()),
        ("ilium_max_requests_per_connection", api.max_waiting_per_connection.to_string()),
        ("ilium_max_requests", api.max_waiting.to_string()),
        ("ilium_max_statement_size", size(api.max_statement as u64)),
        ("ilium_request_memory", size(api.memory_budget as u64)),
        ("ilium_version", concat!(env!("CARGO_PKG_VERSION"), " (", env!("ILIUM_COMMIT"), ")").to_owned()),
    ];
    settings.extend(sync_period.map(|period| ("commitlog_sync_period", period)));
    settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// `DataStorageSpec.toString`: a number and the largest unit that leaves it whole.
fn size(bytes: u64) -> String {
    match bytes {
        0 => "0B".to_owned(),
        _ if bytes.is_multiple_of(1 << 20) => format!("{}MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{}KiB", bytes >> 10),
        _ => format!("{bytes}B"),
    }
}

/// `DurationSpec.toString`.
fn time(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_read_as_cassandra_shows_them() {
        let sizes = [0, 1, 1 << 10, 1500, 16 << 20, (16 << 20) + (1 << 10)];
        assert_eq!(sizes.map(size), ["0B", "1B", "1KiB", "1500B", "16MiB", "16385KiB"]);
        assert_eq!(time(Duration::from_secs(10)), "10000ms");
    }
}
