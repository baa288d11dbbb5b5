// What an application does with gocql, once for each protocol version, on a server that the test started.
//
// Usage: gocql ADDRESS PORT. Prints what it checked; the first mismatch ends it with the reason.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net"
	"os"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/apache/cassandra-gocql-driver/v2/lz4"
	"github.com/apache/cassandra-gocql-driver/v2/snappy"
	"gopkg.in/inf.v0"
)

type address struct {
	Street  string            `cql:"street"`
	Numbers []int             `cql:"numbers"`
	Labels  map[string]string `cql:"labels"`
}

type column struct {
	name, kind        string
	ordinary, extreme any
}

var columns = []column{
	{"a_ascii", "ascii", "plain", ""},
	{"a_bigint", "bigint", int64(42), int64(math.MinInt64)},
	{"a_blob", "blob", []byte{0, 1, 255}, []byte{}},
	{"a_boolean", "boolean", true, false},
	{"a_date", "date", day(2026, 2, 28), day(1582, 10, 14)},
	{"a_decimal", "decimal", inf.NewDec(100, 2), inf.NewDec(-1, 30)},
	{"a_double", "double", 0.1, math.Inf(-1)},
	{"a_duration", "duration", gocql.Duration{Months: 14, Days: 3, Nanoseconds: 4000000005}, gocql.Duration{Months: -1, Days: -2, Nanoseconds: -3}},
	{"a_float", "float", float32(0.5), float32(math.Copysign(0, -1))},
	{"an_inet", "inet", net.ParseIP("192.0.2.1"), net.ParseIP("2001:db8::1")},
	{"an_int", "int", 7, math.MinInt32},
	{"a_smallint", "smallint", int16(300), int16(math.MinInt16)},
	{"a_text", "text", "Straße 東京 🌆", ""},
	{"a_time", "time", time.Duration(1), time.Duration(86_399_999_999_999)},
	{"a_timestamp", "timestamp", time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC), time.Date(2, 1, 1, 0, 0, 0, 0, time.UTC)},
	{"a_timeuuid", "timeuuid", id("5f4b1c80-1234-11ee-8c90-0242ac120002"), gocql.MinTimeUUID(time.Unix(0, 0))},
	{"a_tinyint", "tinyint", int8(5), int8(math.MinInt8)},
	{"a_uuid", "uuid", id("00112233-4455-6677-8899-aabbccddeeff"), gocql.UUID{}},
	{"a_varchar", "varchar", "text by its other name", "\x00"},
	{"a_varint", "varint", new(big.Int).Lsh(big.NewInt(1), 200), new(big.Int).Sub(big.NewInt(math.MinInt64), big.NewInt(1))},
	{"a_list", "list<int>", []int{3, 1, 3}, []int{-1}},
	{"a_set", "set<text>", []string{"a", "b"}, []string{""}},
	{"a_map", "map<text, bigint>", map[string]int64{"one": 1, "two": 2}, map[string]int64{"": -1}},
	{"a_frozen", "frozen<list<frozen<set<int>>>>", [][]int{{1, 2}, {3}}, [][]int{}},
	{"a_type", "frozen<address>", address{"Main Street", []int{1, 2}, map[string]string{"home": "1"}}, address{Street: "nothing else"}},
	{"an_open_type", "address", address{"Side Street", []int{3}, map[string]string{"work": "2"}}, address{Street: "only a street"}},
	{"a_vector", "vector<float, 3>", []float32{1, -2.5, 0.25}, []float32{0, 0, 0}},
}

func main() {
	for _, way := range []struct {
		version    int
		compressor gocql.Compressor
	}{{3, nil}, {4, snappy.SnappyCompressor{}}, {4, lz4.LZ4Compressor{}}, {5, nil}, {5, lz4.LZ4Compressor{}}} {
		compression := "none"
		if way.compressor != nil {
			compression = way.compressor.Name()
		}
		fmt.Printf("protocol v%d, compression %s\n", way.version, compression)
		bare := open(way.version, way.compressor, "", nil)
		schema(bare)
		bare.Close()
		events := &tables{make(chan string, 100)}
		session := open(way.version, way.compressor, "app", events)
		everyType(session, way.version)
		paging(session)
		batches(session)
		transactions(session)
		refusals(session)
		schemaEvents(session, events, way.version)
		session.Close()
	}
	reconnect()
	fmt.Println("all checked")
}

func open(version int, compressor gocql.Compressor, keyspace string, events gocql.TableChangeListener) *gocql.Session {
	port, err := strconv.Atoi(os.Args[2])
	must(err, "the port")
	cluster := gocql.NewCluster(os.Args[1])
	cluster.Port = port
	cluster.ProtoVersion = version
	cluster.Compressor = compressor
	cluster.Keyspace = keyspace
	cluster.Timeout = time.Minute
	cluster.ConnectTimeout = time.Minute
	cluster.Consistency = gocql.LocalQuorum
	cluster.ReconnectInterval = 100 * time.Millisecond
	cluster.ReconnectionPolicy = &gocql.ConstantReconnectionPolicy{MaxRetries: 600, Interval: 100 * time.Millisecond}
	if events != nil {
		cluster.Metadata.SchemaListener.TableChangeListener = events
	}
	session, err := cluster.CreateSession()
	must(err, "the session")
	return session
}

func schema(session *gocql.Session) {
	run(session, "DROP KEYSPACE IF EXISTS app")
	replicas := os.Getenv("REPLICATION_FACTOR")
	if replicas == "" {
		replicas = "3"
	}
	run(session, "CREATE KEYSPACE app WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': "+replicas+"}")
	run(session, "CREATE TYPE app.address (street text, numbers frozen<list<int>>, labels frozen<map<text, text>>)")
	var definitions []string
	for _, c := range columns {
		definitions = append(definitions, c.name+" "+c.kind)
	}
	run(session, "CREATE TABLE app.every_type (id int PRIMARY KEY, a_tuple tuple<int, text, boolean>, "+strings.Join(definitions, ", ")+")")
	run(session, "CREATE INDEX by_text ON app.every_type (a_text)")
	run(session, "CREATE TABLE app.pages (part int, n int, v text, PRIMARY KEY (part, n))")
	run(session, "CREATE TABLE app.counted (id int PRIMARY KEY, c counter)")
	run(session, "CREATE TABLE app.accounts (id int PRIMARY KEY, owner text, balance int)")
	until("the new tables in the metadata", func() bool {
		keyspace, err := session.KeyspaceMetadata("app")
		return err == nil && len(keyspace.Tables) == 4 && keyspace.UserTypes["address"] != nil
	})
	keyspace, err := session.KeyspaceMetadata("app")
	must(err, "the metadata")
	same("the columns in the metadata", len(keyspace.Tables["every_type"].Columns), len(columns)+2)
	same("the fields of the type", keyspace.UserTypes["address"].FieldNames, []string{"street", "numbers", "labels"})
	fmt.Println("  schema: keyspace, type, tables, index, all in the metadata")
}

func everyType(session *gocql.Session, version int) {
	var names []string
	for _, c := range columns {
		names = append(names, c.name)
	}
	insert := "INSERT INTO every_type (id, " + strings.Join(names, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(names)) + ")"
	query := "SELECT " + strings.Join(names, ", ") + " FROM every_type WHERE id = ?"
	for row := 1; row <= 3; row++ {
		binds := []any{row}
		var read []any
		for _, c := range columns {
			kind := reflect.TypeOf(c.ordinary)
			switch row {
			case 1:
				binds = append(binds, c.ordinary)
			case 2:
				binds = append(binds, c.extreme)
			case 3:
				kind = pointer(kind) // null is no value of the types themselves
				binds = append(binds, reflect.Zero(kind).Interface())
			}
			read = append(read, reflect.New(kind).Interface())
		}
		run(session, insert, binds...)
		must(session.Query(query, row).Scan(read...), fmt.Sprintf("reading row %d", row))
		for i, c := range columns {
			got := reflect.ValueOf(read[i]).Elem()
			if row == 3 {
				if !got.IsNil() {
					fail("%s of the row of nulls is %v", c.name, got.Elem())
				}
				continue
			}
			same(fmt.Sprintf("%s of row %d", c.name, row), got.Interface(), binds[i+1])
		}
	}
	run(session, "UPDATE every_type SET a_tuple = (?, ?, ?) WHERE id = 1", 1, "two", nil)
	var first int
	var second string
	var third *bool
	must(session.Query("SELECT a_tuple FROM every_type WHERE id = ?", 1).Scan(&first, &second, &third), "reading a tuple")
	same("a tuple", []any{first, second, third}, []any{1, "two", (*bool)(nil)})
	if version >= 4 {
		run(session, "INSERT INTO every_type (id, an_int, a_text) VALUES (?, ?, ?)", 1, 8, gocql.UnsetValue)
		var text string
		must(session.Query("SELECT a_text FROM every_type WHERE id = 1").Scan(&text), "reading what was unset")
		same("an unset value", text, "Straße 東京 🌆")
	}
	var found int
	must(session.Query("SELECT id FROM every_type WHERE a_text = ?", "Straße 東京 🌆").Scan(&found), "reading by the index")
	same("the row found by the index", found, 1)
	fmt.Printf("  types: %d columns written and read prepared, ordinary, extreme and null; found by index\n", len(columns)+1)
}

func pointer(kind reflect.Type) reflect.Type {
	if kind.Kind() == reflect.Pointer {
		return kind
	}
	return reflect.PointerTo(kind)
}

func paging(session *gocql.Session) {
	for n := 0; n < 1000; n++ {
		run(session, "INSERT INTO pages (part, n, v) VALUES (?, ?, ?)", n%4, n, fmt.Sprintf("value %d", n))
	}
	seen := map[int]bool{}
	pages := 0
	var state []byte
	for {
		iter := session.Query("SELECT n, v FROM pages").PageSize(90).PageState(state).Iter()
		if iter.NumRows() > 90 {
			fail("a page of %d rows where 90 were asked for", iter.NumRows())
		}
		state = append([]byte(nil), iter.PageState()...)
		scanner := iter.Scanner()
		for i := iter.NumRows(); i > 0 && scanner.Next(); i-- {
			var n int
			var v string
			must(scanner.Scan(&n, &v), "a row of a page")
			same("a value", v, fmt.Sprintf("value %d", n))
			seen[n] = true
		}
		pages++
		if len(state) == 0 {
			break
		}
	}
	same("the rows of all pages", len(seen), 1000)
	if pages != 12 && pages != 13 {
		fail("1000 rows came in %d pages of 90", pages)
	}
	iter := session.Query("SELECT n FROM pages WHERE part = ?", 1).PageSize(7).Iter()
	var n int
	count := 0
	for iter.Scan(&n) {
		same("a row of the partition", n, 4*count+1)
		count++
	}
	must(iter.Close(), "pages taken one after the other")
	same("the rows of the partition", count, 250)
	fmt.Printf("  paging: 1000 rows in %d pages, and one partition row by row\n", pages)
}

func batches(session *gocql.Session) {
	logged := session.Batch(gocql.LoggedBatch)
	for part := 100; part < 110; part++ {
		logged.Query("INSERT INTO pages (part, n, v) VALUES (?, ?, ?)", part, 1, "batched")
	}
	logged.Query("INSERT INTO every_type (id, a_text) VALUES (100, 'batched')")
	must(logged.Exec(), "a logged batch")
	same("rows of a logged batch", number(session, "SELECT count(*) FROM pages WHERE part IN (100, 104, 109)"), int64(3))
	same("its simple statement", number(session, "SELECT count(*) FROM every_type WHERE a_text = 'batched'"), int64(1))
	unlogged := session.Batch(gocql.UnloggedBatch)
	for n := 0; n < 50; n++ {
		unlogged.Query("INSERT INTO pages (part, n, v) VALUES (?, ?, ?)", 200, n, "unlogged")
	}
	must(unlogged.Exec(), "an unlogged batch")
	same("rows of an unlogged batch", number(session, "SELECT count(*) FROM pages WHERE part = 200"), int64(50))
	for i := 0; i < 3; i++ {
		counters := session.Batch(gocql.CounterBatch)
		counters.Query("UPDATE counted SET c = c + ? WHERE id = ?", int64(5), 1)
		counters.Query("UPDATE counted SET c = c + ? WHERE id = ?", int64(-2), 2)
		must(counters.Exec(), "a counter batch")
	}
	same("a counter", number(session, "SELECT c FROM counted WHERE id = 1"), int64(15))
	same("another", number(session, "SELECT c FROM counted WHERE id = 2"), int64(-6))
	fmt.Println("  batches: logged over two tables, unlogged, counter")
}

func transactions(session *gocql.Session) {
	insert := "INSERT INTO accounts (id, owner, balance) VALUES (?, ?, ?) IF NOT EXISTS"
	conditional("a first insert", session.Query(insert, 1, "Ada", 10), true, nil)
	conditional("a second", session.Query(insert, 1, "Eve", 99), false, map[string]any{"id": 1, "owner": "Ada", "balance": 10})
	update := "UPDATE accounts SET balance = ? WHERE id = ? IF balance = ?"
	conditional("an update whose condition holds", session.Query(update, 20, 1, 10).SerialConsistency(gocql.LocalSerial), true, nil)
	conditional("one whose condition fails", session.Query(update, 30, 1, 10), false, map[string]any{"balance": 20})
	batch := session.Batch(gocql.LoggedBatch)
	batch.Query("UPDATE accounts SET balance = ? WHERE id = ? IF balance = ?", 1, 1, 20)
	batch.Query("UPDATE accounts SET owner = ? WHERE id = ?", "Bob", 1)
	applied, iter, err := batch.MapExecCAS(map[string]any{})
	must(err, "a conditional batch")
	must(iter.Close(), "the answer of a conditional batch")
	same("a conditional batch", applied, true)
	fmt.Println("  transactions: insert, update and batch, applied and not")
}

func conditional(what string, query *gocql.Query, wanted bool, row map[string]any) {
	read := map[string]any{}
	applied, err := query.MapScanCAS(read)
	must(err, what)
	same(what, applied, wanted)
	if row != nil {
		same("the row of "+what, read, row)
	}
}

func refusals(session *gocql.Session) {
	refused(session, "SELEC * FROM every_type", gocql.ErrCodeSyntax, "line 1:0")
	refused(session, "SELECT * FROM nosuch", gocql.ErrCodeInvalid, "nosuch")
	refused(session, "SELECT * FROM every_type WHERE an_int = ?", gocql.ErrCodeInvalid, "ALLOW FILTERING", 1)
	refused(session, "CREATE TABLE every_type (id int PRIMARY KEY)", gocql.ErrCodeAlreadyExists, "every_type")
	var exists *gocql.RequestErrAlreadyExists
	err := session.Query("CREATE TABLE every_type (id int PRIMARY KEY)").Exec()
	if !errors.As(err, &exists) {
		fail("a table made twice gives %T", err)
	}
	same("the table that exists", []string{exists.Keyspace, exists.Table}, []string{"app", "every_type"})
	fmt.Println("  errors: syntax, invalid, already exists, at prepare too")
}

func refused(session *gocql.Session, statement string, code int, words string, binds ...any) {
	err := session.Query(statement, binds...).Exec()
	var refusal gocql.RequestError
	if !errors.As(err, &refusal) {
		fail("%q gives %v, no error of the server", statement, err)
	}
	same("the code of "+statement, refusal.Code(), code)
	if !strings.Contains(refusal.Message(), words) {
		fail("the error of %q says %q, without %q", statement, refusal.Message(), words)
	}
}

// tables hears of tables that were made, changed and dropped.
type tables struct{ heard chan string }

func (t *tables) OnTableCreated(event gocql.OnTableCreatedEvent) {
	t.heard <- "created " + event.Table.Name
}
func (t *tables) OnTableUpdated(event gocql.OnTableUpdatedEvent) {
	t.heard <- "updated " + event.New.Name
}
func (t *tables) OnTableDropped(event gocql.OnTableDroppedEvent) {
	t.heard <- "dropped " + event.Table.Name
}

func schemaEvents(session *gocql.Session, events *tables, version int) {
	other := open(version, nil, "app", nil)
	defer other.Close()
	for _, step := range [][2]string{
		{"CREATE TABLE from_elsewhere (id int PRIMARY KEY)", "created from_elsewhere"},
		{"ALTER TABLE from_elsewhere ADD added text", "updated from_elsewhere"},
		{"DROP TABLE from_elsewhere", "dropped from_elsewhere"},
	} {
		run(other, step[0])
		select {
		case heard := <-events.heard:
			same("the event of "+step[0], heard, step[1])
		case <-time.After(time.Minute):
			fail("waited a minute for the event of %q", step[0])
		}
	}
	fmt.Println("  schema events: table, column and drop by another session")
}

func reconnect() {
	session := open(5, lz4.LZ4Compressor{}, "app", nil)
	defer session.Close()
	run(session, "INSERT INTO accounts (id, owner, balance) VALUES (?, ?, ?)", 7, "before", 1)
	var owner string
	must(session.Query("SELECT owner FROM accounts WHERE id = ?", 7).Scan(&owner), "reading before the restart")
	fmt.Println("restart the server")
	word, err := bufio.NewReader(os.Stdin).ReadString('\n')
	must(err, "the answer of the test")
	same("the answer of the test", strings.TrimSpace(word), "restarted")
	until("the driver to reconnect", func() bool {
		return session.Query("SELECT owner FROM accounts WHERE id = ?", 7).Scan(&owner) == nil && owner == "before"
	})
	run(session, "INSERT INTO accounts (id, owner, balance) VALUES (?, ?, ?)", 8, "after", 2)
	must(session.Query("SELECT owner FROM accounts WHERE id = ?", 8).Scan(&owner), "reading after the restart")
	same("a row written after the restart", owner, "after")
	fmt.Println("reconnect: what was written before the kill is read, prepared statements go on")
}

func run(session *gocql.Session, statement string, binds ...any) {
	must(session.Query(statement, binds...).Exec(), statement)
}

func number(session *gocql.Session, query string) int64 {
	var n int64
	must(session.Query(query).Scan(&n), query)
	return n
}

// until waits up to a minute for what comes by itself.
func until(what string, holds func() bool) {
	for i := 0; i < 1200; i++ {
		if holds() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	fail("waited a minute for %s", what)
}

// same compares values by how they print, which is the same for equal numbers, times and addresses however the
// driver holds them.
func same(what string, read, wanted any) {
	if r, w := text(read), text(wanted); r != w {
		fail("%s: read %s, wanted %s", what, r, w)
	}
}

func text(value any) string {
	if m, ok := value.(map[string]any); ok {
		var parts []string
		for key, part := range m {
			parts = append(parts, fmt.Sprintf("%s=%v", key, part))
		}
		sort.Strings(parts)
		return strings.Join(parts, " ")
	}
	return fmt.Sprintf("%+v", value)
}

func day(year, month, day int) time.Time {
	return time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
}

func id(text string) gocql.UUID {
	parsed, err := gocql.ParseUUID(text)
	must(err, text)
	return parsed
}

func must(err error, what string) {
	if err != nil {
		fail("%s: %v", what, err)
	}
}

func fail(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "MISMATCH: "+format+"\n", arguments...)
	os.Exit(1)
}
