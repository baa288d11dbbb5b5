module ilium/benches/cql-proxy

go 1.24.2

require github.com/datastax/cql-proxy v0.2.0
