"""The Python driver where one must log in: with the right password, a wrong one and none, and as a role with few rights.

Usage: login.py CREDENTIALS ADDRESS PORT. Prints what it checked; the first mismatch ends it with the reason.
"""

import configparser
import sys

from cassandra import AuthenticationFailed, ProtocolVersion, Unauthorized
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
from cassandra.policies import WhiteListRoundRobinPolicy

CREDENTIALS, ADDRESS, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])


def connect(version, name=None, password=None):
    profile = ExecutionProfile(
        load_balancing_policy=WhiteListRoundRobinPolicy([ADDRESS]), request_timeout=60
    )
    return Cluster(
        [ADDRESS],
        port=PORT,
        protocol_version=version,
        auth_provider=PlainTextAuthProvider(name, password) if name else None,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        connect_timeout=60,
        control_connection_timeout=60,
    )


def refused(version, name, password, words):
    with connect(version, name, password) as cluster:
        try:
            cluster.connect()
        except NoHostAvailable as failure:
            (error,) = failure.errors.values()
            assert isinstance(error, AuthenticationFailed), repr(error)
            assert words in str(error), error
        else:
            raise AssertionError(f"{name} logged in with {password}")


credentials = configparser.ConfigParser()
credentials.read(CREDENTIALS)
superuser = credentials["PlainTextAuthProvider"]

with connect(ProtocolVersion.V5, superuser["username"], superuser["password"]) as cluster:
    session = cluster.connect()
    session.execute(
        "CREATE KEYSPACE app WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
    )
    session.execute("CREATE TABLE app.notes (id int PRIMARY KEY, text text)")
    session.execute("CREATE ROLE reader WITH LOGIN = true AND PASSWORD = 'it''s a secret'")
    session.execute("GRANT SELECT ON app.notes TO reader")
    session.execute("INSERT INTO app.notes (id, text) VALUES (1, 'one')")
print("the superuser logs in with the password in its file")

for version in (ProtocolVersion.V3, ProtocolVersion.V4, ProtocolVersion.V5):
    with connect(version, "reader", "it's a secret") as cluster:
        session = cluster.connect("app")
        read = session.prepare("SELECT text FROM notes WHERE id = ?")
        assert session.execute(read, (1,)).one().text == "one"
        write = session.prepare("INSERT INTO notes (id, text) VALUES (?, ?)")
        try:
            session.execute(write, (2, "two"))
        except Unauthorized as error:
            assert "User reader has no MODIFY permission on <table app.notes>" in str(error), error
        else:
            raise AssertionError("a reader wrote")
        assert "notes" in cluster.metadata.keyspaces["app"].tables
    wrong = "Provided username reader and/or password are incorrect"
    refused(version, "reader", "its a secret", wrong)
    refused(version, "nobody", "it's a secret", "Provided username nobody")
    refused(version, None, None, "requires authentication")
    print(f"version {version}: a role does what it may, and nobody comes in without the right password")

print("all checked")
