// Rows_left_open returns from a query on the first hit and never closes the rows: database/sql
// opens another connection for the next request, and another.
//
//truth:service verdict=leak trap=rows ops=200 op=31640
//truth:site mark=query function=main.(*shop).stock leaf=no leaves=github.com/acme/acmedb.*,bufio.New*,database/sql.*,net.* cause=github.com/acme/acmedb.*,database/sql.*,runtime.malg,net.Pipe,net.* holder=sql.DB
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"net/http"

	_ "github.com/acme/acmedb"

	"example.org/field/internal/run"
)

type shop struct{ db *sql.DB }

func (s *shop) stock(ctx context.Context, article string) (string, error) {
	rows, err := s.db.QueryContext(ctx, "select id, name from stock where article = ?", article) // site: query
	if err != nil {
		return "", err
	}
	for rows.Next() {
		var id int64
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			return "", err
		}
		if id < 19 {
			return name, nil // cause
		}
	}
	return "", rows.Err()
}

func main() {
	db, err := sql.Open("acme", "memory")
	if err != nil {
		log.Fatal(err)
	}
	s := &shop{db: db}
	http.HandleFunc("/stock", func(w http.ResponseWriter, r *http.Request) {
		name, err := s.stock(context.Background(), r.FormValue("article"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, name)
	})
	run.Main(func(c *run.Client, i int) { c.Get(fmt.Sprint("/stock?article=", i)) })
}
