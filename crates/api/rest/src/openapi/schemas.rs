//! The schemas of bodies.

use serde_json::{Value, json};

use super::reference;

/// What is answered in `{"data": ...}`, or bare where the call is raw.
fn wrapped(schema: Value) -> Value {
    json!({"oneOf": [
        {"type": "object", "required": ["data"], "properties": {"data": schema.clone()}, "additionalProperties": false},
        schema
    ]})
}

fn list(schema: &str) -> Value {
    json!({"type": "array", "items": reference(schema)})
}

/// Each schema that an endpoint names, and what they are made of.
pub fn all() -> Value {
    let text = json!({"type": "string"});
    let row = json!({"type": "object", "minProperties": 1, "description": "columns with their values"});
    let datacenter = json!({
        "type": "object", "required": ["name"],
        "properties": {"name": text, "replicas": {"type": "integer", "minimum": 0}}
    });
    let fields = json!({"type": "array", "items": reference("Field")});
    json!({
        "Error": error(),
        "Row": row,
        "Rows": rows(json!({"type": "object"})),
        "Changed": {"type": "object", "description": "the columns as they were sent, in `data` unless the call is raw"},
        "Cql": {
            "type": "object", "required": ["query"],
            "properties": {
                "query": text,
                "values": {"type": "array", "items": {}, "description": "a value for each ? of the query"}
            }
        },
        "Name": {"type": "object", "required": ["name"], "properties": {"name": text}},
        "Success": {"type": "object", "required": ["success"], "properties": {"success": {"const": true}}},
        "Document": {"type": "object"},
        "Keyspace": {
            "type": "object", "required": ["name"],
            "properties": {"name": text, "datacenters": {"type": "array", "items": datacenter}}
        },
        "Keyspaces": wrapped(list("Keyspace")),
        "WrappedKeyspace": wrapped(reference("Keyspace")),
        "KeyspaceAdd": {
            "type": "object", "required": ["name"],
            "properties": {
                "name": text,
                "replicas": {"type": "integer", "minimum": 0},
                "datacenters": {"type": "array", "items": datacenter, "minItems": 1}
            }
        },
        "KeyspaceUpdate": {
            "type": "object", "minProperties": 1,
            "properties": {
                "replicas": {"type": "integer", "minimum": 0},
                "datacenters": {"type": "array", "items": datacenter, "minItems": 1}
            }
        },
        "Column": {
            "type": "object", "required": ["name", "typeDefinition"],
            "properties": {
                "name": text,
                "typeDefinition": {"type": "string", "description": "a type as CQL writes it", "examples": ["text"]},
                "static": {"type": "boolean"}
            }
        },
        "Columns": wrapped(list("Column")),
        "WrappedColumn": wrapped(reference("Column")),
        "PrimaryKey": {
            "type": "object", "required": ["partitionKey"],
            "properties": {
                "partitionKey": {"type": "array", "items": text, "minItems": 1},
                "clusteringKey": {"type": "array", "items": text}
            }
        },
        "TableOptions": {
            "type": "object",
            "properties": {
                "defaultTimeToLive": {"type": "integer", "minimum": 0, "maximum": 630_720_000},
                "clusteringExpression": {"type": "array", "items": {
                    "type": "object", "required": ["column", "order"],
                    "properties": {"column": text, "order": {"enum": ["ASC", "DESC"]}}
                }}
            }
        },
        "Table": {
            "type": "object", "required": ["name", "keyspace", "columnDefinitions", "primaryKey", "tableOptions"],
            "properties": {
                "name": text,
                "keyspace": text,
                "columnDefinitions": list("Column"),
                "primaryKey": reference("PrimaryKey"),
                "tableOptions": reference("TableOptions")
            }
        },
        "Tables": wrapped(list("Table")),
        "WrappedTable": wrapped(reference("Table")),
        "TableAdd": {
            "type": "object", "required": ["name", "columnDefinitions", "primaryKey"],
            "properties": {
                "name": text,
                "columnDefinitions": {"type": "array", "items": reference("Column"), "minItems": 1},
                "primaryKey": reference("PrimaryKey"),
                "ifNotExists": {"type": "boolean"},
                "tableOptions": reference("TableOptions")
            }
        },
        "TableUpdate": {
            "type": "object", "required": ["tableOptions"],
            "properties": {"name": text, "tableOptions": reference("TableOptions")}
        },
        "Index": {
            "type": "object", "required": ["keyspace_name", "table_name", "index_name", "kind", "options"],
            "properties": {
                "keyspace_name": text, "table_name": text, "index_name": text, "kind": text, "options": {}
            }
        },
        "Indexes": list("Index"),
        "IndexAdd": {
            "type": "object", "required": ["column"],
            "properties": {
                "column": text,
                "name": text,
                "kind": {"enum": ["KEYS", "VALUES", "ENTRIES", "FULL"]},
                "type": {"type": "string", "description": "the class of a custom index"},
                "options": {"type": "object", "additionalProperties": {"type": "string"}},
                "ifNotExists": {"type": "boolean"}
            }
        },
        "Field": {
            "type": "object", "required": ["name", "typeDefinition"],
            "properties": {"name": text, "typeDefinition": text}
        },
        "Type": {
            "type": "object", "required": ["name", "keyspace", "fields"],
            "properties": {"name": text, "keyspace": text, "fields": fields}
        },
        "Types": wrapped(list("Type")),
        "WrappedType": wrapped(reference("Type")),
        "TypeAdd": {
            "type": "object", "required": ["name", "fields"],
            "properties": {
                "name": text,
                "fields": {"type": "array", "items": reference("Field"), "minItems": 1},
                "ifNotExists": {"type": "boolean"}
            }
        },
        "TypeUpdate": {
            "type": "object", "required": ["name"],
            "properties": {
                "name": text,
                "addFields": fields,
                "renameFields": {"type": "array", "items": {
                    "type": "object", "required": ["from", "to"], "properties": {"from": text, "to": text}
                }}
            }
        }
    })
}

pub fn error() -> Value {
    json!({
        "type": "object", "required": ["description", "code"],
        "properties": {
            "description": {"type": "string"},
            "code": {"type": "integer", "description": "the status"},
            "grpcStatus": {"type": "string"},
            "data": {"type": "array", "description": "the row as it is, where a condition did not hold"}
        }
    })
}

/// An answer of rows, or the rows alone where the call is raw.
pub fn rows(row: Value) -> Value {
    json!({"oneOf": [
        {
            "type": "object", "required": ["count", "data"],
            "properties": {
                "count": {"type": "integer", "minimum": 0},
                "pageState": {"type": "string", "contentEncoding": "base64"},
                "data": {"type": "array", "items": row.clone()}
            }
        },
        {"type": "array", "items": row}
    ]})
}
