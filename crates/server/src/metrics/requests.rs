//! What each API asked of the store: counted by kind of statement and class of role, errors by class.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use ilium_cql::ast::Statement;
use ilium_store::{ErrorKind, Principal};

use super::latency::Latency;

/// Statements of one kind are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Select,
    Insert,
    Update,
    Delete,
    Batch,
    Schema,
    Access,
    Other,
}

impl Kind {
    pub const ALL: [Kind; 8] = [
        Kind::Select,
        Kind::Insert,
        Kind::Update,
        Kind::Delete,
        Kind::Batch,
        Kind::Schema,
        Kind::Access,
        Kind::Other,
    ];

    pub fn of(statement: &Statement, effect: ilium_store::Effect) -> Kind {
        match statement {
            Statement::Select(_) => Kind::Select,
            Statement::Insert(_) => Kind::Insert,
            Statement::Update(_) => Kind::Update,
            Statement::Delete(_) => Kind::Delete,
            Statement::Batch(_) => Kind::Batch,
            _ => match effect {
                ilium_store::Effect::SchemaChange => Kind::Schema,
                ilium_store::Effect::Access => Kind::Access,
                _ => Kind::Other,
            },
        }
    }

    /// By the first words of a text; one that begins with a comment is [`Kind::Other`].
    pub fn of_text(text: &str) -> Kind {
        let mut words = text.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        let is = |word: &str| first.eq_ignore_ascii_case(word);
        let mut is_access = || {
            let second = words.next().unwrap_or_default();
            ["role", "user", "identity"].iter().any(|word| second.eq_ignore_ascii_case(word))
        };
        match () {
            () if is("select") => Kind::Select,
            () if is("insert") => Kind::Insert,
            () if is("update") => Kind::Update,
            () if is("delete") => Kind::Delete,
            () if is("begin") => Kind::Batch,
            () if is("create") || is("alter") || is("drop") || is("add") => match is_access() {
                true => Kind::Access,
                false => Kind::Schema,
            },
            () if is("grant") || is("revoke") || is("list") => Kind::Access,
            () => Kind::Other,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Kind::Select => "select",
            Kind::Insert => "insert",
            Kind::Update => "update",
            Kind::Delete => "delete",
            Kind::Batch => "batch",
            Kind::Schema => "schema",
            Kind::Access => "access",
            Kind::Other => "other",
        }
    }
}

/// Who asks, as far as it may be in a metric: roles come and go, and their names are nobody else's affair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleClass {
    /// Nobody has to log in.
    Anonymous,
    /// A role that logged in.
    Role,
    /// This process.
    System,
    /// Preparing a statement does not know who asks.
    Unknown,
}

impl RoleClass {
    pub const ALL: [RoleClass; 4] =
        [RoleClass::Anonymous, RoleClass::Role, RoleClass::System, RoleClass::Unknown];

    pub fn of(principal: &Principal) -> RoleClass {
        match principal {
            Principal::Anonymous => RoleClass::Anonymous,
            Principal::Role(_) => RoleClass::Role,
            Principal::System => RoleClass::System,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            RoleClass::Anonymous => "anonymous",
            RoleClass::Role => "role",
            RoleClass::System => "system",
            RoleClass::Unknown => "unknown",
        }
    }
}

/// One API's statements.
#[derive(Debug, Default)]
pub struct Requests {
    of_classes: [OfClass; RoleClass::ALL.len()],
    in_flight: AtomicI64,
}

/// Those of one class of role.
#[derive(Debug, Default)]
struct OfClass {
    latencies: [Latency; Kind::ALL.len()],
    errors: [AtomicU64; ERRORS.len()],
}

impl Requests {
    pub fn begins(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// A statement that began has its answer.
    pub fn ends(&self, kind: Kind, class: RoleClass, took: std::time::Duration, error: Option<&ErrorKind>) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let latencies = self.of_classes.get(class as usize).map(|of_class| &of_class.latencies);
        if let Some(latency) = latencies.and_then(|latencies| latencies.get(kind as usize)) {
            latency.add(took);
        }
        if let Some(error) = error {
            self.fails(class, error);
        }
    }

    /// Whoever waited for the answer has gone.
    pub fn abandoned(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts an error, of a statement that could not be prepared for one.
    pub fn fails(&self, class: RoleClass, error: &ErrorKind) {
        let name = self::class(error);
        let place = ERRORS.iter().position(|known| *known == name);
        let errors = self.of_classes.get(class as usize).map(|of_class| &of_class.errors);
        if let Some(count) = place.zip(errors).and_then(|(place, errors)| errors.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn in_flight(&self) -> i64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Each kind with its latencies, for the classes of which something was counted, and for `always`.
    pub fn latencies(&self, always: RoleClass) -> impl Iterator<Item = (RoleClass, Kind, &Latency)> {
        let all = RoleClass::ALL.into_iter().zip(self.of_classes.iter().map(|of_class| &of_class.latencies));
        all.filter(move |(class, latencies)| {
            *class == always || latencies.iter().any(|latency| latency.count() > 0)
        })
        .flat_map(|(class, latencies)| {
            Kind::ALL.into_iter().zip(latencies).map(move |(kind, latency)| (class, kind, latency))
        })
    }

    /// Each class of errors with how often it came, for the same.
    pub fn errors(&self, always: RoleClass) -> impl Iterator<Item = (RoleClass, &'static str, u64)> {
        let all = RoleClass::ALL.into_iter().zip(self.of_classes.iter().map(|of_class| &of_class.errors));
        all.filter(move |(class, errors)| {
            *class == always || errors.iter().any(|count| count.load(Ordering::Relaxed) > 0)
        })
        .flat_map(|(class, errors)| {
            let counts = errors.iter().map(|count| count.load(Ordering::Relaxed));
            ERRORS.into_iter().zip(counts).map(move |(name, count)| (class, name, count))
        })
    }
}

/// The classes of errors, by the names they have in metrics.
const ERRORS: [&str; 19] = [
    "syntax",
    "invalid",
    "config",
    "unauthorized",
    "bad_credentials",
    "already_exists",
    "unprepared",
    "unavailable",
    "write_timeout",
    "read_timeout",
    "write_failure",
    "read_failure",
    "function_failure",
    "truncate",
    "overloaded",
    "bootstrapping",
    "protocol",
    "corrupt",
    "internal",
];

/// What an error counts as.
pub(crate) fn class(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Syntax => "syntax",
        ErrorKind::Invalid => "invalid",
        ErrorKind::Config => "config",
        ErrorKind::Unauthorized => "unauthorized",
        ErrorKind::BadCredentials | ErrorKind::MappedRole { .. } => "bad_credentials",
        ErrorKind::AlreadyExists { .. } => "already_exists",
        ErrorKind::Unprepared { .. } => "unprepared",
        ErrorKind::Unavailable { .. } => "unavailable",
        ErrorKind::WriteTimeout { .. } => "write_timeout",
        ErrorKind::ReadTimeout { .. } => "read_timeout",
        ErrorKind::WriteFailure { .. } => "write_failure",
        ErrorKind::ReadFailure { .. } => "read_failure",
        ErrorKind::FunctionFailure { .. } => "function_failure",
        ErrorKind::Truncate => "truncate",
        ErrorKind::Overloaded => "overloaded",
        ErrorKind::Bootstrapping => "bootstrapping",
        ErrorKind::Protocol => "protocol",
        ErrorKind::Corrupt => "corrupt",
        ErrorKind::Internal => "internal",
    }
}
