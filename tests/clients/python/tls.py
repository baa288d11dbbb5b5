"""The Python driver over TLS: it trusts the server's certificate alone, and checks its name.

Usage: tls.py CERTIFICATE ADDRESS PORT. Prints what it checked; the first mismatch ends it with the reason.
"""

import ssl
import sys

from cassandra import ConsistencyLevel, ProtocolVersion
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
from cassandra.policies import WhiteListRoundRobinPolicy

CERTIFICATE, ADDRESS, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])


def connect(context, version):
    profile = ExecutionProfile(
        load_balancing_policy=WhiteListRoundRobinPolicy([ADDRESS]),
        consistency_level=ConsistencyLevel.LOCAL_QUORUM,
        request_timeout=60,
    )
    return Cluster(
        [ADDRESS],
        port=PORT,
        protocol_version=version,
        ssl_context=context,
        ssl_options={"server_hostname": ADDRESS},
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        connect_timeout=60,
        control_connection_timeout=60,
    )


def write_and_read(protocol, version):
    context = ssl.create_default_context(cafile=CERTIFICATE)
    context.minimum_version = context.maximum_version = protocol
    with connect(context, version) as cluster:
        session = cluster.connect()
        session.execute(
            "CREATE KEYSPACE IF NOT EXISTS app WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
        )
        session.execute("CREATE TABLE IF NOT EXISTS app.notes (id int PRIMARY KEY, note text)")
        insert = session.prepare("INSERT INTO app.notes (id, note) VALUES (?, ?)")
        select = session.prepare("SELECT note FROM app.notes WHERE id = ?")
        long = "Straße 東京 " * 100_000  # many TLS records
        for key in range(20):
            session.execute(insert, (key, f"{protocol.name} {key} {long}"))
        for key in range(20):
            same("a note", session.execute(select, (key,)).one().note, f"{protocol.name} {key} {long}")
        clients = session.execute("SELECT ssl_enabled, ssl_protocol, ssl_cipher_suite FROM system_views.clients").all()
        wanted = {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[protocol.name]
        for client in clients:
            same("whether a client speaks TLS", client.ssl_enabled, True)
            same("its protocol", client.ssl_protocol, wanted)
            same("its cipher suite's beginning", client.ssl_cipher_suite[:4], "TLS_")
    print(f"{protocol.name}, CQL protocol v{version}: written, read, and reported")


def main():
    for protocol in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        for version in (ProtocolVersion.V4, ProtocolVersion.V5):
            write_and_read(protocol, version)
    distrustful = ssl.create_default_context()
    try:
        connect(distrustful, ProtocolVersion.V5).connect()
    except NoHostAvailable as error:
        if "CERTIFICATE_VERIFY_FAILED" not in str(error):
            sys.exit(f"MISMATCH: a client that trusts others alone says {error}")
    else:
        sys.exit("MISMATCH: a client that trusts others alone was content")
    print("all checked")


def same(what, read, wanted):
    if read != wanted:
        sys.exit(f"MISMATCH: {what}: read {str(read)[:200]!r}, wanted {str(wanted)[:200]!r}")


if __name__ == "__main__":
    main()
