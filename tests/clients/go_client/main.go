// Command client does what pgx and lib/pq can over API tables and writes the answers as one JSON object.
//
// Arguments: pgx or pq, the connection string, the jira simulator's address, and the condition on github.issues.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/lib/pq"
)

const longStatement = "SELECT count(*) FROM jira.issues WHERE updated >= '2001-01-01 00:00:00+00'"

type answers map[string]any

func main() {
	program, address, jira, where := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	run := map[string]func(string, string, string) answers{"pgx": withPgx, "pq": withPq}[program]
	must(json.NewEncoder(os.Stdout).Encode(run(address, jira, where)))
}

func first(where string) string {
	return "SELECT repo, number FROM github.issues WHERE " + where + " AND number <= 4 ORDER BY repo, number"
}

func shape(where string) string {
	return "SELECT number, created_at FROM github.issues WHERE " + where + " LIMIT 0"
}

func withPgx(address, jira, where string) answers {
	ctx := context.Background()
	conn := got(pgx.Connect(ctx, address))
	defer conn.Close(ctx)
	said := answers{}
	said["first"] = pgxRows(conn.Query(ctx, first(where)))
	typed := "SELECT repo, number FROM github.issues WHERE owner = $1 AND repo = ANY($2) AND number <= $3 ORDER BY 1, 2"
	got(conn.Prepare(ctx, "typed", typed))
	said["prepared"] = pgxRows(conn.Query(ctx, "typed", "acme", []string{"web", "api"}, 4))
	said["simple"] = pgxRows(conn.Query(ctx, typed, pgx.QueryExecModeSimpleProtocol, "acme", []string{"web", "api"}, 4))
	prepared := got(conn.Prepare(ctx, "shape", shape(where)))
	types := []string{}
	for _, field := range prepared.Fields {
		known, _ := conn.TypeMap().TypeForOID(field.DataTypeOID)
		types = append(types, known.Name)
	}
	said["described"] = types
	paging := got(conn.Begin(ctx))
	got(paging.Exec(ctx, "DECLARE paged CURSOR FOR "+first(where)))
	page := pgxRows(paging.Query(ctx, "FETCH 2 FROM paged"))
	said["paged"] = [][][]any{page, pgxRows(paging.Query(ctx, "FETCH ALL FROM paged"))}
	must(paging.Commit(ctx))
	batch := &pgx.Batch{}
	batch.Queue("CREATE TEMP TABLE kept (repo text, number int)")
	batch.Queue("SELECT 1")
	must(conn.SendBatch(ctx, batch).Close())
	filled := got(conn.Exec(ctx, "INSERT INTO kept "+first(where)))
	said["filled"] = filled.String()
	copied := got(conn.CopyFrom(ctx, pgx.Identifier{"kept"}, []string{"repo", "number"},
		pgx.CopyFromRows([][]any{{"mine", int32(1)}, {"mine", int32(2)}})))
	said["copied in"] = copied
	var out strings.Builder
	got(conn.PgConn().CopyTo(ctx, &out, "COPY ("+first(where)+") TO STDOUT"))
	said["copied out"] = strings.Split(strings.TrimSpace(out.String()), "\n")
	tx := got(conn.Begin(ctx))
	_, failure := tx.Exec(ctx, "SELECT number / 0 FROM github.issues WHERE "+where)
	said["error"] = pgxCode(failure)
	must(tx.Rollback(ctx))
	canceling, cancel := context.WithCancel(ctx)
	defer cancel()
	config := got(pgx.ParseConfig(address))
	config.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: 30 * time.Second}
	}
	other := got(pgx.ConnectConfig(ctx, config))
	defer other.Close(ctx)
	go func() { asked(jira); cancel() }()
	_, failure = other.Exec(canceling, longStatement)
	said["canceled"] = pgxCode(failure)
	said["after"] = len(pgxRows(other.Query(ctx, first(where))))
	return said
}

func withPq(address, jira, where string) answers {
	db := got(sql.Open("postgres", address))
	defer db.Close()
	said := answers{}
	said["first"] = sqlRows(db.Query(first(where)))
	typed := "SELECT repo, number FROM github.issues WHERE owner = $1 AND repo = ANY($2) AND number <= $3 ORDER BY 1, 2"
	statement := got(db.Prepare(typed))
	said["prepared"] = sqlRows(statement.Query("acme", pq.Array([]string{"web", "api"}), 4))
	tx := got(db.Begin())
	described := got(tx.Query(shape(where)))
	types := []string{}
	for _, column := range got(described.ColumnTypes()) {
		types = append(types, column.DatabaseTypeName())
	}
	must(described.Close())
	said["described"] = types
	got(tx.Exec("DECLARE paged CURSOR FOR " + first(where)))
	page := sqlRows(tx.Query("FETCH 2 FROM paged"))
	said["paged"] = [][][]any{page, sqlRows(tx.Query("FETCH ALL FROM paged"))}
	got(tx.Exec("CREATE TEMP TABLE kept (repo text, number int) ON COMMIT DROP"))
	result := got(tx.Exec("INSERT INTO kept " + first(where)))
	said["filled"] = got(result.RowsAffected())
	copying := got(tx.Prepare(pq.CopyIn("kept", "repo", "number")))
	got(copying.Exec("mine", 1))
	got(copying.Exec())
	must(copying.Close())
	var count int
	must(tx.QueryRow("SELECT count(*) FROM kept").Scan(&count))
	said["kept"] = count
	_, failure := tx.Exec("SELECT number / 0 FROM github.issues WHERE " + where)
	said["error"] = pqCode(failure)
	must(tx.Rollback())
	ctx, cancel := context.WithCancel(context.Background())
	go func() { asked(jira); cancel() }()
	_, failure = db.ExecContext(ctx, longStatement)
	said["canceled"] = pqCode(failure)
	said["after"] = len(sqlRows(db.Query(first(where))))
	return said
}

func pgxRows(rows pgx.Rows, failure error) [][]any {
	must(failure)
	return got(pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() }))
}

func sqlRows(rows *sql.Rows, failure error) [][]any {
	must(failure)
	defer rows.Close()
	found := [][]any{}
	for rows.Next() {
		var repo string
		var number int
		must(rows.Scan(&repo, &number))
		found = append(found, []any{repo, number})
	}
	must(rows.Err())
	return found
}

func asked(jira string) {
	for {
		answer := got(http.Get(jira + "/_sim/requests"))
		body := got(io.ReadAll(answer.Body))
		answer.Body.Close()
		if strings.TrimSpace(string(body)) != "[]" {
			return
		}
	}
}

func pgxCode(failure error) string {
	var refusal *pgconn.PgError
	if errors.As(failure, &refusal) {
		return refusal.Code
	}
	return fmt.Sprint(failure)
}

func pqCode(failure error) string {
	var refusal *pq.Error
	if errors.As(failure, &refusal) {
		return string(refusal.Code)
	}
	return fmt.Sprint(failure)
}

func must(failure error) {
	if failure != nil {
		panic(failure)
	}
}

func got[T any](value T, failure error) T {
	must(failure)
	return value
}
