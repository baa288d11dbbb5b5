//! The words CQL gives a meaning, and which of them may still be a name.
//!
//! The list and the classes are those of Cassandra 5.0's `Lexer.g` and `Parser.g` (`unreserved_keyword`,
//! `unreserved_function_keyword`, `basic_unreserved_keyword`, `native_type`).

/// How far a keyword may stand for an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeywordClass {
    /// Never, unless quoted.
    Reserved,
    /// Anywhere an identifier may.
    Unreserved,
    /// A native type's name: not the name of a user-defined type.
    NativeType,
    /// A column's or a table's name, but neither a function's nor a type's.
    NotAFunction,
    /// `key`: as [`KeywordClass::NotAFunction`], and a user-defined type's name too.
    Key,
    /// `count`: as [`KeywordClass::NotAFunction`], and a function's name too.
    Count,
    /// `token`: reserved, except as a function's name.
    Token,
}

macro_rules! keywords {
    ($($name:ident $class:ident $($word:literal)+,)+) => {
        /// A keyword; words that mean the same (`TABLE`, `COLUMNFAMILY`) share one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Keyword { $($name,)+ }

        impl Keyword {
            /// Whether, and where, the word may be a name.
            pub fn class(self) -> KeywordClass {
                match self { $(Keyword::$name => KeywordClass::$class,)+ }
            }

            /// The name of the token in Cassandra's error messages is `K_` and this.
            pub fn name(self) -> &'static str {
                match self { $(Keyword::$name => first(&[$($word),+]),)+ }
            }
        }

        const WORDS: usize = [$($($word,)+)+].len();
        const UNSORTED: [(u128, Keyword); WORDS] = [$($((pack($word.as_bytes()), Keyword::$name),)+)+];
    };
}

keywords! {
    Access Unreserved "access",
    Add Reserved "add",
    Aggregate Unreserved "aggregate",
    Aggregates Unreserved "aggregates",
    All Unreserved "all",
    Allow Reserved "allow",
    Alter Reserved "alter",
    And Reserved "and",
    Ann Unreserved "ann",
    Apply Reserved "apply",
    As Unreserved "as",
    Asc Reserved "asc",
    Ascii NativeType "ascii",
    Authorize Reserved "authorize",
    Batch Reserved "batch",
    Begin Reserved "begin",
    Bigint NativeType "bigint",
    Blob NativeType "blob",
    Boolean NativeType "boolean",
    By Reserved "by",
    Called Unreserved "called",
    Cast NotAFunction "cast",
    Cidrs Unreserved "cidrs",
    Cluster Unreserved "cluster",
    Clustering Unreserved "clustering",
    Table Reserved "columnfamily" "table",
    Compact Unreserved "compact",
    Contains Unreserved "contains",
    Count Count "count",
    Counter NativeType "counter",
    Create Reserved "create",
    Custom Unreserved "custom",
    Datacenters Unreserved "datacenters",
    Date NativeType "date",
    Decimal NativeType "decimal",
    Default Unreserved "default",
    Delete Reserved "delete",
    Desc Reserved "desc",
    Describe Reserved "describe",
    Distinct NotAFunction "distinct",
    Double NativeType "double",
    Drop Reserved "drop",
    Duration NativeType "duration",
    Entries Reserved "entries",
    Execute Reserved "execute",
    Exists Unreserved "exists",
    Filtering Unreserved "filtering",
    FinalFunc Unreserved "finalfunc",
    Float NativeType "float",
    From Reserved "from",
    Frozen Unreserved "frozen",
    Full Reserved "full",
    Function Unreserved "function",
    Functions Unreserved "functions",
    Grant Reserved "grant",
    Group Unreserved "group",
    Hashed Unreserved "hashed",
    Identity Unreserved "identity",
    If Reserved "if",
    In Reserved "in",
    Index Reserved "index",
    Inet NativeType "inet",
    Infinity Reserved "infinity",
    InitCond Unreserved "initcond",
    Input Unreserved "input",
    Insert Reserved "insert",
    Int NativeType "int",
    Internals Unreserved "internals",
    Into Reserved "into",
    Is Reserved "is",
    Json NotAFunction "json",
    Key Key "key",
    Keys Unreserved "keys",
    Keyspace Reserved "keyspace",
    Keyspaces Unreserved "keyspaces",
    Language Unreserved "language",
    Like Unreserved "like",
    Limit Reserved "limit",
    List Unreserved "list",
    Login Unreserved "login",
    Map Unreserved "map",
    Masked Unreserved "masked",
    Materialized Reserved "materialized",
    MaxWriteTime NotAFunction "maxwritetime",
    MBean Unreserved "mbean",
    MBeans Unreserved "mbeans",
    Modify Reserved "modify",
    Nan Reserved "nan",
    NoLogin Unreserved "nologin",
    NoRecursive Reserved "norecursive",
    NoSuperuser Unreserved "nosuperuser",
    Not Reserved "not",
    Null Reserved "null",
    Of Reserved "of",
    On Reserved "on",
    Only Unreserved "only",
    Options Unreserved "options",
    Or Reserved "or",
    Order Reserved "order",
    Partition Unreserved "partition",
    Password Unreserved "password",
    Per Unreserved "per",
    Permission Unreserved "permission",
    Permissions Unreserved "permissions",
    Primary Reserved "primary",
    Rename Reserved "rename",
    Replace Unreserved "replace",
    Returns Unreserved "returns",
    Revoke Reserved "revoke",
    Role Unreserved "role",
    Roles Unreserved "roles",
    Schema Reserved "schema",
    Select Reserved "select",
    SelectMasked Unreserved "select_masked",
    Set Reserved "set",
    SFunc Unreserved "sfunc",
    Smallint NativeType "smallint",
    Static Unreserved "static",
    Storage Unreserved "storage",
    SType Unreserved "stype",
    Superuser Unreserved "superuser",
    Tables Unreserved "tables" "columnfamilies",
    Text NativeType "text",
    Time NativeType "time",
    Timestamp NativeType "timestamp",
    Timeuuid NativeType "timeuuid",
    Tinyint NativeType "tinyint",
    To Reserved "to",
    Token Token "token",
    Trigger Unreserved "trigger",
    Truncate Reserved "truncate",
    Ttl NotAFunction "ttl",
    Tuple Unreserved "tuple",
    Type Unreserved "type",
    Types Unreserved "types",
    Unlogged Reserved "unlogged",
    Unmask Unreserved "unmask",
    Unset Unreserved "unset",
    Update Reserved "update",
    Use Reserved "use",
    User Unreserved "user",
    Users Unreserved "users",
    Using Reserved "using",
    Uuid NativeType "uuid",
    Values Unreserved "values",
    Varchar NativeType "varchar",
    Varint NativeType "varint",
    Vector Unreserved "vector",
    View Reserved "view",
    Where Reserved "where",
    With Reserved "with",
    WriteTime NotAFunction "writetime",
}

/// No keyword is longer; what is longer is not looked up. `columnfamilies` has 14 letters.
const LONGEST: usize = 14;

static SORTED: [(u128, Keyword); WORDS] = sort(UNSORTED);

impl Keyword {
    /// The keyword that `word` is in any mix of cases, if it is one. `word` must consist of letters, digits and
    /// underscores.
    pub fn of(word: &str) -> Option<Keyword> {
        if word.len() > LONGEST {
            return None;
        }
        let key = pack(word.as_bytes());
        let found = SORTED.binary_search_by_key(&key, |&(packed, _)| packed).ok()?;
        SORTED.get(found).map(|&(_, keyword)| keyword)
    }

    /// May stand where the grammar wants `ident`: a column, table, keyspace, field or alias.
    pub fn is_identifier(self) -> bool {
        !matches!(self.class(), KeywordClass::Reserved | KeywordClass::Token)
    }

    /// May stand where the grammar wants `allowedFunctionName`.
    pub fn is_function_name(self) -> bool {
        use KeywordClass::{Count, NativeType, Token, Unreserved};
        matches!(self.class(), Unreserved | NativeType | Count | Token)
    }

    /// May stand where the grammar wants `non_type_ident`, the name of a user-defined type.
    pub fn is_type_name(self) -> bool {
        matches!(self.class(), KeywordClass::Unreserved | KeywordClass::Key)
    }

    pub fn is_native_type(self) -> bool {
        self.class() == KeywordClass::NativeType
    }
}

/// A word of at most 16 letters as a number that ignores case: bit 5 is what tells `a` from `A`, digits have it
/// set already and no letter, digit or underscore becomes another by setting it.
#[expect(clippy::indexing_slicing, reason = "bounded by the loop; a const fn has no iterators")]
const fn pack(word: &[u8]) -> u128 {
    let mut packed = 0;
    let mut i = 0;
    while i < word.len() {
        packed = packed << 8 | (word[i] | 0x20) as u128;
        i += 1;
    }
    packed
}

/// The word that names a token in messages, for those that are written in more ways than one.
fn first(words: &[&'static str]) -> &'static str {
    words.first().copied().unwrap_or_default()
}

#[expect(clippy::indexing_slicing, reason = "runs in the compiler, where a mistake fails the build")]
const fn sort(mut words: [(u128, Keyword); WORDS]) -> [(u128, Keyword); WORDS] {
    let mut i = 1;
    while i < WORDS {
        let mut j = i;
        while j > 0 && words[j - 1].0 > words[j].0 {
            let earlier = words[j - 1];
            words[j - 1] = words[j];
            words[j] = earlier;
            j -= 1;
        }
        i += 1;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_found_in_any_case_and_other_words_are_not() {
        assert_eq!(Keyword::of("select"), Some(Keyword::Select));
        assert_eq!(Keyword::of("SeLeCt_MaSkEd"), Some(Keyword::SelectMasked));
        assert_eq!(Keyword::of("COLUMNFAMILIES"), Some(Keyword::Tables));
        assert_eq!(Keyword::of("selec"), None);
        assert_eq!(Keyword::of("selects"), None);
        assert_eq!(Keyword::of("a_very_long_identifier"), None);
        assert_eq!(Keyword::of(""), None);
    }

    #[test]
    fn every_keyword_finds_itself() {
        for &(_, keyword) in &UNSORTED {
            assert_eq!(Keyword::of(keyword.name()), Some(keyword));
        }
    }
}
