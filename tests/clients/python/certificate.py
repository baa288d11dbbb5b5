"""The Python driver with a client certificate and no password.

Usage: certificate.py SERVER CERTIFICATE KEY [ROLE] ADDRESS PORT: the server's certificate, its own and its key, and the
role it stands for; none: the server must ask for a password.
"""

import ssl
import sys

from cassandra import AuthenticationFailed
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
from cassandra.policies import WhiteListRoundRobinPolicy

SERVER, CERTIFICATE, KEY, *ROLE = sys.argv[1:-2]
ADDRESS, PORT = sys.argv[-2], int(sys.argv[-1])

context = ssl.create_default_context(cafile=SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
profile = ExecutionProfile(load_balancing_policy=WhiteListRoundRobinPolicy([ADDRESS]), request_timeout=60)
cluster = Cluster(
    [ADDRESS],
    port=PORT,
    ssl_context=context,
    ssl_options={"server_hostname": ADDRESS},
    execution_profiles={EXEC_PROFILE_DEFAULT: profile},
    connect_timeout=60,
    control_connection_timeout=60,
)
with cluster:
    try:
        session = cluster.connect()
        assert ROLE, "logged in with a certificate that stands for nobody"
        names = [row.role for row in session.execute("LIST ROLES")]
        assert names == ROLE, names
    except NoHostAvailable as failure:
        (error,) = failure.errors.values()
        assert not ROLE and isinstance(error, AuthenticationFailed), repr(error)

print("all checked")
