"""Sends what schemathesis makes up from the OpenAPI documents, and wants every answer to be as they say.

Usage: client.py HTTP_ADDRESS HTTP_PORT ADDRESS PORT. The documents are the one of all endpoints and the live one of a
keyspace. Always from the same seed: what it finds is found again.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

from cassandra.cluster import Cluster

HTTP_ADDRESS, HTTP_PORT, ADDRESS, PORT = sys.argv[1:5]
BASE = f"http://{HTTP_ADDRESS}:{HTTP_PORT}"
SCHEMATHESIS = str(pathlib.Path(sys.executable).parent / "schemathesis")

# A server error, or an answer whose status, content type, headers or body the document does not have.
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance"

# A table of every type but tuples: schemathesis 4.32 makes of `prefixItems`, by which OpenAPI 3.1 describes them, what it then
# calls invalid itself.
SCHEMA = [
    "CREATE KEYSPACE made_up WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    "CREATE TYPE made_up.person (name text, age int)",
    """CREATE TABLE made_up.every_type (
        part int, n text, a_ascii ascii, a_bigint bigint, a_blob blob, a_boolean boolean, a_date date, a_decimal decimal,
        a_double double, a_float float, an_inet inet, a_smallint smallint, a_time time, a_timestamp timestamp,
        a_timeuuid timeuuid, a_tinyint tinyint, a_uuid uuid, a_varint varint, a_duration duration, a_list list<int>,
        a_set set<text>, a_map map<text, int>, a_person frozen<person>, a_vector vector<float, 2>,
        a_static int static, PRIMARY KEY (part, n))""",
    "CREATE TABLE made_up.counted (id uuid PRIMARY KEY, hits counter)",
    "CREATE INDEX ON made_up.every_type (a_set)",
    "INSERT INTO made_up.every_type (part, n, a_list, a_person) VALUES (0, '0', [1, 2], {name: 'Ann', age: 5})",
    "INSERT INTO made_up.every_type (part, n) VALUES (0, 'a')",
]

# All endpoints come last, for one of them drops keyspaces.
DOCUMENTS = [
    ("the tables of a keyspace", "/v2/schemas/keyspaces/made_up/openapi.json"),
    ("all endpoints", "/v2/openapi.json"),
]

# So many requests an operation take a minute or two for both documents.
EXAMPLES = 30

# What is made up must not depend on how fast the machine is: this is only there to end what hangs.
SECONDS = 240

# A request may ask to be answered within a millisecond, and a cluster of one node for three replicas: they are told that it
# cannot be, by a server error, and as it should be.
CONFIGURATION = """
[parameters]
"query.timeout" = "60s"
"""
if os.environ.get("REPLICATION_FACTOR") == "1":
    CONFIGURATION += '"query.consistency" = "QUORUM"\n'


def main():
    with Cluster([ADDRESS], port=int(PORT), protocol_version=5) as cluster:
        session = cluster.connect()
        for statement in SCHEMA:
            session.execute(statement)
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "schemathesis.toml").write_text(CONFIGURATION)
        for what, path in DOCUMENTS:
            command = [SCHEMATHESIS, "run", BASE + path, "--url", BASE, "--seed", "1", "--checks", CHECKS]
            command += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES)]
            command += ["--suppress-health-check", "all", "--request-timeout", "20", "--continue-on-failure"]
            run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS)
            if run.returncode != 0:
                sys.exit(f"MISMATCH: {what}: schemathesis ended with {run.returncode}:\n{run.stdout[-20000:]}{run.stderr[-5000:]}")
            print(f"{what}: {summary(run.stdout)}")
    print("all checked")


def summary(said):
    """How many requests schemathesis says it made up."""
    return next(line.strip() for line in said.splitlines() if "generated," in line)


if __name__ == "__main__":
    main()
