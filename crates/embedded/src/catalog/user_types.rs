//! CREATE, ALTER and DROP TYPE (`CreateTypeStatement`, `AlterTypeStatement`, `DropTypeStatement`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ilium_cql::UserType;
use ilium_cql::ast::{AlterType, CreateType, Name, TypeChange, TypeName};
use ilium_cql::identifier::quote_if_needed;
use ilium_cql::schema::{Keyspace, Table};
use ilium_store::{Error, Result, SchemaChange, SchemaChangeKind, SchemaTarget};

use super::alter_table::{quoted_name, renumbered};
use super::draft::Draft;
use super::type_names::{TypeScope, is_native, updated_definition, with_updated_user_type, written_text};

pub fn create(draft: &mut Draft, statement: &CreateType, keyspace: &str) -> Result<Option<SchemaChange>> {
    let name = statement.name.name.as_str();
    let scope = draft.existing_keyspace(keyspace)?;
    if scope.types.contains_key(name) {
        return match statement.if_not_exists {
            true => Ok(None),
            false => Err(Error::invalid(format!("A user type with name '{name}' already exists"))),
        };
    }
    let mut seen = BTreeSet::new();
    for (field, _) in &statement.fields {
        if !seen.insert(field.as_str()) {
            return Err(Error::invalid(format!(
                "Duplicate field name '{}' in type '{name}'",
                field.as_str()
            )));
        }
    }
    statement.fields.iter().try_for_each(|(_, written)| check_field(written))?;
    let types = TypeScope { keyspace, types: &scope.types };
    let mut fields = Vec::with_capacity(statement.fields.len());
    for (field, written) in &statement.fields {
        fields.push((Arc::from(field.as_str()), types.resolve(written)?));
    }
    let definition = UserType { keyspace: Arc::clone(&scope.name), name: Arc::from(name), fields };
    let change = type_change(SchemaChangeKind::Created, &definition);
    let mut changed = Keyspace::clone(scope);
    changed.types.insert(Arc::clone(&definition.name), Arc::new(definition));
    draft.put_keyspace(changed);
    Ok(Some(change))
}

pub fn alter(draft: &mut Draft, statement: &AlterType, keyspace: &str) -> Result<Option<SchemaChange>> {
    let name = statement.name.name.as_str();
    let scope = draft.keyspace(keyspace);
    let Some((scope, definition)) = scope.and_then(|scope| Some((scope, scope.types.get(name)?))) else {
        return match statement.if_exists {
            true => Ok(None),
            false => Err(Error::invalid(format!("Type {keyspace}.{name} doesn't exist"))),
        };
    };
    let mut altered = UserType::clone(definition);
    match &statement.change {
        TypeChange::Add { if_not_exists, field, field_type } => {
            if !add_field(&mut altered, scope, field, field_type, *if_not_exists)? {
                return Ok(None);
            }
        }
        TypeChange::Rename { if_exists, renames } => {
            rename_fields(&mut altered, definition, keyspace, renames, *if_exists)?;
        }
        TypeChange::Alter { .. } => {
            return Err(Error::invalid("Altering field types is no longer supported"));
        }
    }
    if altered == **definition {
        return Ok(None);
    }
    let change = type_change(SchemaChangeKind::Updated, &altered);
    replace_definition(draft, keyspace, altered)?;
    Ok(Some(change))
}

pub fn drop(draft: &mut Draft, keyspace: &str, name: &str, if_exists: bool) -> Result<Option<SchemaChange>> {
    let scope = draft.keyspace(keyspace);
    let Some((scope, definition)) = scope.and_then(|scope| Some((scope, scope.types.get(name)?))) else {
        return match if_exists {
            true => Ok(None),
            false => Err(Error::invalid(format!("Type '{keyspace}.{name}' doesn't exist"))),
        };
    };
    let users = |kind: &str, names: Vec<&str>| {
        if names.is_empty() {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "Cannot drop user type '{keyspace}.{name}' as it is still used by {kind} {}",
            names.join(", ")
        )))
    };
    let uses = |other: &&Arc<UserType>| {
        *other.name != *name && other.fields.iter().any(|(_, field)| field.references_user_type(name))
    };
    users("user types", scope.types.values().filter(uses).map(|other| &*other.name).collect())?;
    let in_tables = scope.tables.values().filter(|table| references(table, name));
    users("tables", in_tables.map(|table| &*table.name).collect())?;
    let change = type_change(SchemaChangeKind::Dropped, definition);
    let mut changed = Keyspace::clone(scope);
    changed.types.remove(name);
    draft.put_keyspace(changed);
    Ok(Some(change))
}

fn type_change(kind: SchemaChangeKind, definition: &UserType) -> SchemaChange {
    SchemaChange {
        kind,
        keyspace: Arc::clone(&definition.keyspace),
        target: SchemaTarget::Type(Arc::clone(&definition.name)),
    }
}

fn references(table: &Table, user_type: &str) -> bool {
    table.columns.iter().any(|column| column.column_type.references_user_type(user_type))
}

fn check_field(written: &TypeName) -> Result<()> {
    if is_native(written, "counter") {
        return Err(Error::invalid("A user type cannot contain counters"));
    }
    if matches!(written, TypeName::User(_)) {
        return Err(Error::invalid("A user type cannot contain non-frozen UDTs"));
    }
    Ok(())
}

/// False: the field is there already, and that was to be no error.
fn add_field(
    altered: &mut UserType,
    scope: &Keyspace,
    field: &Name,
    written: &TypeName,
    if_not_exists: bool,
) -> Result<bool> {
    check_field(written)?;
    let shown = shown_name(altered);
    let field = field.as_str();
    if altered.field_index(field).is_some() {
        if if_not_exists {
            return Ok(false);
        }
        return Err(Error::invalid(format!(
            "Cannot add field {field} to type {shown}: a field with name {field} already exists"
        )));
    }
    let field_type = TypeScope { keyspace: &scope.name, types: &scope.types }.resolve(written)?;
    let written = written_text(&in_keyspace(written, &scope.name), false);
    if field_type.references_user_type(&altered.name) {
        return Err(Error::invalid(format!(
            "Cannot add new field {field} of type {written} to user type {shown} as it would create a circular \
             reference"
        )));
    }
    let in_keys: Vec<_> = scope
        .tables
        .values()
        .filter(|table| table.partition_key().any(|c| c.column_type.references_user_type(&altered.name)))
        .map(|table| quoted_name(table))
        .collect();
    if !in_keys.is_empty() {
        return Err(Error::invalid(format!(
            "Cannot add new field {field} of type {written} to user type {shown} as the type is being used in \
             partition key by the following tables: {}",
            in_keys.join(", ")
        )));
    }
    altered.fields.push((Arc::from(field), field_type));
    Ok(true)
}

/// The type with the keyspace said of every user-defined type in it, as Cassandra's messages have it by then.
fn in_keyspace(written: &TypeName, keyspace: &str) -> TypeName {
    let boxed = |part: &TypeName| Box::new(in_keyspace(part, keyspace));
    match written {
        TypeName::List(element) => TypeName::List(boxed(element)),
        TypeName::Set(element) => TypeName::Set(boxed(element)),
        TypeName::Map(key, value) => TypeName::Map(boxed(key), boxed(value)),
        TypeName::Tuple(fields) => {
            TypeName::Tuple(fields.iter().map(|field| in_keyspace(field, keyspace)).collect())
        }
        TypeName::Vector(element, dimension) => TypeName::Vector(boxed(element), *dimension),
        TypeName::Frozen(part) => TypeName::Frozen(boxed(part)),
        TypeName::User(name) => {
            let mut name = name.clone();
            name.keyspace = Some(Name::new(keyspace));
            TypeName::User(name)
        }
        other => other.clone(),
    }
}

fn rename_fields(
    altered: &mut UserType,
    before: &UserType,
    keyspace: &str,
    renames: &[(Name, Name)],
    if_exists: bool,
) -> Result<()> {
    for (from, to) in renames {
        match before.field_index(from.as_str()).and_then(|place| altered.fields.get_mut(place)) {
            Some((name, _)) => *name = Arc::from(to.as_str()),
            None if if_exists => {}
            None => {
                return Err(Error::invalid(format!(
                    "Unkown field {} in user type {}",
                    from.as_str(),
                    shown_name(before)
                )));
            }
        }
    }
    let mut seen = BTreeSet::new();
    match altered.fields.iter().find(|(name, _)| !seen.insert(name)) {
        // Cassandra names the keyspace where it means the type.
        Some((twice, _)) => Err(Error::invalid(format!("Duplicate field name {twice} in type {keyspace}"))),
        None => Ok(()),
    }
}

fn shown_name(definition: &UserType) -> String {
    format!("{}.{}", quote_if_needed(&definition.keyspace), quote_if_needed(&definition.name))
}

/// Puts a definition in the place of the one with its name, in every type and column that uses it.
fn replace_definition(draft: &mut Draft, keyspace: &str, definition: UserType) -> Result<()> {
    let mut changed = Keyspace::clone(draft.existing_keyspace(keyspace)?);
    let definition = Arc::new(definition);
    changed.types.insert(Arc::clone(&definition.name), Arc::clone(&definition));
    let others: BTreeMap<_, _> = changed
        .types
        .iter()
        .map(|(name, other)| {
            let uses = other.name != definition.name
                && other.fields.iter().any(|(_, field)| field.references_user_type(&definition.name));
            let other =
                if uses { Arc::new(updated_definition(other, &definition)) } else { Arc::clone(other) };
            (Arc::clone(name), other)
        })
        .collect();
    changed.types = others;
    draft.put_keyspace(changed);
    for entry in draft.entries_of(keyspace) {
        if !references(&entry.table, &definition.name) {
            continue;
        }
        let mut table = Table::clone(&entry.table);
        for column in &mut table.columns {
            column.column_type = with_updated_user_type(&column.column_type, &definition);
        }
        draft.put_table(renumbered(&entry, table)?);
    }
    Ok(())
}
